#!/usr/bin/env bash
# Starts every part, and says in one line what is wrong and what to do about it.
#   docker/up.sh                     Kafka, MongoDB and MLflow; then publish, train, evaluate; score, notebook
#   docker/up.sh --scale score=3     what is typed goes to `docker compose up`
#   docker/up.sh kafka mongo mlflow  these alone
#   docker/up.sh --profile spark     Spark's master and worker too, and the same evaluation by them
#   docker/up.sh --down              stops everything; --down --volumes forgets everything too
# Secrets, ports, images and what is trained stand in docker/.env, or in the file SUSYSTREAM_ENV_FILE.
# It returns when the chain has run to its end, and shows its result.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=checks.sh
. "$(dirname "$0")/checks.sh"
# shellcheck source-path=SCRIPTDIR source=waits.sh
. "$(dirname "$0")/waits.sh"

told() { # which service stopped it, the last lines of each of its containers, and a cure
  local service name state health code bad
  for service in $servers $stages $workers score notebook; do full "$service"; done
  bad=$("${compose[@]}" ps --all --format '{{.Service}}|{{.Name}}|{{.State}}|{{.Health}}|{{.ExitCode}}' | in_order | ended_badly)
  [ -n "$bad" ] || fail "the engine could not start all of it: $(tail -n 1 "$said" | cut -c -400); docker/up.sh again"
  IFS='|' read -r service name state health code <<<"$bad"
  if [ "$state" = created ]; then not_started "$service"; fi
  if [ "$code" = 2 ] && [[ " $stages score " == *" $service "* ]]; then # its words are shown above
    lines_of "$name" | tail -n 1 | cut -c -400 | sed "s/^/$service | /" >&2
    fail "$service: expected settings that it takes, received others; correct $(cure_of "$service")"
  fi
  sed -n "s/^$service|\([^|]*\)|.*/\1/p" <<<"$bad" | while read -r name; do
    echo "the last lines of $name:" >&2
    lines_of "$name" | tail -n 5 | cut -c -400 | sed 's/^/  /' >&2
  done
  if [ "$health" = unhealthy ]; then
    fail "$service: expected it to be well after $(value START_SECONDS 90) s, it is not; correct what its lines say, its image ($(image_of "$service")), or START_SECONDS in $where"
  fi
  if [ "$(docker inspect --format '{{.State.OOMKilled}}' "$name")" = true ]; then
    fail "$service: expected it to do with the memory it may have, it was ended for more; raise MEMORY in $where, or a server's mem_limit in docker/compose.yaml"
  fi
  fail "$service: expected it to run, received state $state, exit status $code; correct what its lines say, or $(cure_of "$service"); all lines: docker compose --file docker/compose.yaml logs $service"
}

not_started() { # $1, or the one that the engine names: a port may have been taken since it was asked for
  local service why
  why=$(tail -n 1 "$said" | cut -c -400)
  for service in $servers notebook some; do if [[ "$why" == *"-$service-"* ]]; then break; fi; done
  fail "${service/#some/$1 or another}: expected its container to start, the engine says: $why; correct what that names in $where (a port, an image, MEMORY), then docker/up.sh again"
}

cure_of() { # what of docker/.env a service is started with
  local names=''
  case "$1" in
    spark-*) names="SPARK_CORES, SPARK_MEMORY or " ;;
    publish) names="OVERRIDES, EXPERIMENT, PARTITIONS or " ;;
    train | evaluate | evaluate-spark) names="OVERRIDES, EXPERIMENT or " ;;
  esac
  echo "$names$(image_of "$1") in $where"
}

ended_badly() { # of lines service|container|state|health|status those that stopped it
  local service name state health code
  while IFS='|' read -r service name state health code; do
    case "$service:$state:$health:$code" in
      *:running:healthy:* | *:running:starting:*) continue ;; # the latter waited for another one
      kafka:* | mongo:* | mlflow:* | *:restarting:* | *:unhealthy:*) ;;
      *:exited:*:0 | *:created:* | *:running:*) continue ;;
    esac
    if [ "$state" = exited ] && ended_before "$name"; then continue; fi
    echo "$service|$name|$state|$health|$code"
  done
}

full() { # whether a service found no room; MongoDB says it is well all the same
  local id
  for id in $(containers "$1"); do
    if lines_of "$id" | grep -qiE 'no space left|disk is full|disk quota'; then
      fail "$1: expected room on its disk, there is none left; make room (docker system df), then docker/up.sh again"
    fi
  done
}

lines_of() { docker logs --since "${begin}Z" "$1" 2>&1 || true; } # of a container

in_order() { # servers first
  awk -F '|' '{ if ($1 ~ /^(kafka|mongo|mlflow)$/) first = first $0 "\n"; else rest = rest $0 "\n" }
    END { printf "%s%s", first, rest }'
}

image_of() { # the variable that names it
  case "$1" in kafka) echo KAFKA_IMAGE ;; mongo) echo MONGO_IMAGE ;; mlflow) echo MLFLOW_IMAGE ;; *) echo SUSYSTREAM_IMAGE ;; esac
}

halted() { # stages that an earlier start left running would never see what this one makes
  local service id
  for service in $stages; do
    is_wanted "$service" || continue
    for id in $(containers "$service"); do
      case "$(docker inspect --format '{{.State.Status}}' "$id")" in running | restarting | paused) ;; *) continue ;; esac
      echo "stopping $service, which an earlier start left running; it begins again in its turn"
      docker stop "$id" >/dev/null || fail "$service: expected it to stop, it does not; docker kill $id, then docker/up.sh again"
    done
  done
}

profile() {
  [ "$1" = spark ] || fail "expected --profile spark, received ${1:-none}; correct it"
  compose+=(--profile spark)
}

main() { # read whole before anything runs: the file may be changed meanwhile
  local words=() down=
  while [ $# -gt 0 ]; do
    case "$1" in
      --help | -h) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit ;;
      --profile) profile "${2:-}"; shift ;;
      --profile=*) profile "${1#*=}" ;;
      --down) down=yes ;;
      --build | --detach | -d) ;; # as always
      --attach* | --abort-on-* | --exit-code-from* | --watch | -w | --wait*)
        fail "expected what docker/up.sh can do, received $1; leave it out: it shows and waits for the stages itself" ;;
      *) words+=("$1") ;;
    esac
    shift
  done
  engine
  known
  if [ -n "$down" ]; then
    flags down ${words[@]+"${words[@]}"}
    MONGO_PASSWORD=${MONGO_PASSWORD:-none} NOTEBOOK_TOKEN=${NOTEBOOK_TOKEN:-none} \
      "${compose[@]}" --profile spark down ${words[@]+"${words[@]}"}
    return
  fi
  secrets
  forms
  settle ${words[@]+"${words[@]}"}
  flags up ${words[@]+"${words[@]}"}
  recipe
  ports
  room
  images
  halted
  said=$(mktemp)
  begin=$(now)
  echo "starting the servers: docker compose --file docker/compose.yaml logs --follow shows theirs"
  set -m # a process group of its own, which ends with us
  shown &
  shower=$!
  set +m
  trap 'rm -f "$said"; kill -- -$shower $(jobs -p) 2>/dev/null || true' EXIT
  trap 'echo "docker/up.sh: interrupted; what has started goes on: docker/up.sh again, or docker/up.sh --down" >&2; exit 130' INT
  "${compose[@]}" up --detach --no-build ${words[@]+"${words[@]}"} >/dev/null 2>"$said" &
  starting=$!
  while kill -0 $starting 2>/dev/null; do
    let_in
    alive
    sleep 2
  done
  wait $starting || told
  # shellcheck disable=SC2086 # names, one a word
  well $servers $workers
  let_in
  for service in $stages; do ended "$service"; done
  well notebook
  steady
  sleep 1 # for the last lines
  if is_wanted mlflow; then echo "MLflow    http://127.0.0.1:$(value MLFLOW_PORT 5000)"; fi
  if is_wanted notebook; then echo "notebook  http://127.0.0.1:$(value NOTEBOOK_PORT 8888)  (NOTEBOOK_TOKEN of $where)"; fi
  echo "stop      docker/up.sh --down   (--down --volumes: and forget everything)"
}

main "$@"; exit
