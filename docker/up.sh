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
here=$(cd "$(dirname "$0")" && pwd)
settings=${SUSYSTREAM_ENV_FILE:-$here/.env}
compose=(docker compose --progress quiet --file "$here/compose.yaml")
file=()
if [ -f "$settings" ] || [ -n "${SUSYSTREAM_ENV_FILE:-}" ]; then file=(--env-file "$settings"); fi
compose+=(${file[@]+"${file[@]}"})

servers="kafka mongo mlflow" stages="publish train evaluate evaluate-spark"

fail() { echo "docker/up.sh: $*" >&2; exit 1; }

container() { # of a service, if there is one; a hundred times cheaper than to ask Compose
  docker ps --all --quiet --filter "label=com.docker.compose.project=$project" \
    --filter label=com.docker.compose.oneoff=False --filter "label=com.docker.compose.service=$1" | head -n 1
}

engine() {
  command -v docker >/dev/null || fail "expected docker on PATH, there is none; install Docker 25 or newer"
  docker version >/dev/null 2>&1 || fail "expected a Docker engine, none answers; start it, or ask for access to its socket"
  docker compose version >/dev/null 2>&1 || fail "expected docker compose, received docker without it; install its plugin"
  local api; api=$(docker version --format '{{.Server.APIVersion}}')
  at_least 1.44 "$api" || fail "expected Docker 25 or newer, received an engine of API $api, below 1.44; update it"
  api=$(docker compose version --short)
  at_least 2.20.2 "${api#v}" || fail "expected docker compose 2.20.2 or newer, received $api; update its plugin"
}

at_least() { # whether a version $2 is $1 or newer
  [ "$(printf '%s\n%s\n' "$1" "$2" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)" = "$1" ]
}

VARIABLES="MONGO_PASSWORD NOTEBOOK_TOKEN KAFKA_PORT MONGO_PORT MLFLOW_PORT NOTEBOOK_PORT START_SECONDS
  SUSYSTREAM_IMAGE KAFKA_IMAGE MONGO_IMAGE MLFLOW_IMAGE"

known() { # the variables as Compose reads them, from the environment and the file
  local name
  [ -e "$settings" ] || [ -z "${SUSYSTREAM_ENV_FILE:-}" ] ||
    fail "expected a file of settings at $settings (SUSYSTREAM_ENV_FILE), there is none; correct it"
  values=$({
    printf 'name: values\nservices: {none: {image: none}}\nx-values:\n'
    for name in $VARIABLES; do printf '  %s: "=${%s:-}"\n' "$name" "$name"; done
  } | docker compose ${file[@]+"${file[@]}"} --file - config 2>&1) ||
    fail "expected lines of NAME=value in $settings, Compose cannot read it; correct it"
}

value() { # of a variable, else $2
  local found; found=$(sed -n "s/^  $1: [\"']\{0,1\}=//p" <<<"$values" | head -n 1)
  echo "${found:-$2}"
}

secrets() {
  local name secret
  for name in MONGO_PASSWORD NOTEBOOK_TOKEN; do
    secret=$(value "$name" "")
    [ -n "$secret" ] || fail "expected a secret in $name, received none; set it in docker/.env (cp docker/env.example docker/.env)"
    [[ "$secret" =~ ^[A-Za-z0-9._~-]+$ ]] || fail "expected letters, digits, . _ ~ and - in $name, received others (not shown); choose another"
  done
}

ports() { # of services that do not run yet
  local name service port default
  while read -r name service default; do
    port=$(value "$name" "$default")
    [[ "$port" =~ ^[0-9]{1,5}$ ]] && [ "$port" -ge 1 ] && [ "$port" -le 65535 ] ||
      fail "$service: expected a port from 1 to 65535 in $name, received '$port'; correct it in docker/.env"
    if [ "$(docker inspect --format '{{.State.Running}}' "$(container "$service")" 2>/dev/null)" = true ]; then continue; fi
    if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      fail "$service: expected port $port of 127.0.0.1 to be free, another program has it; end that program, or set another $name in docker/.env"
    fi
  done <<'PORTS'
KAFKA_PORT kafka 9092
MONGO_PORT mongo 27017
MLFLOW_PORT mlflow 5000
NOTEBOOK_PORT notebook 8888
PORTS
}

room() { # for a build and for the volumes, where the engine's disk is this machine's
  local root free
  root=$(docker info --format '{{.DockerRootDir}}')
  [ -d "$root" ] || return 0
  free=$(df -Pk "$root" | awk 'NR == 2 {print $4}')
  [ "$free" -ge 6000000 ] || fail "expected 6 GB free below $root, received $((free / 1000)) MB; make room (docker system prune)"
}

images() { # ours is built unless another is named; the others are pulled
  local name service default image
  SUSYSTREAM_COMMIT=${SUSYSTREAM_COMMIT:-$(commit)}
  export SUSYSTREAM_COMMIT
  if [ -z "$(value SUSYSTREAM_IMAGE "")" ]; then
    echo "building the image susystream: some five minutes the first time, then seconds"
    "${compose[@]}" build publish >&2 ||
      fail "publish: the image could not be built, the lines above say why; if the base image cannot be had, correct PYTHON_IMAGE in docker/.env"
  fi
  while read -r name service default; do
    image=$(value "$name" "$default")
    docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null ||
      fail "$service: expected the image $image, none is here and none could be pulled; correct $name in docker/.env, or see to the network"
  done <<IMAGES
SUSYSTREAM_IMAGE publish susystream:0.1.0
KAFKA_IMAGE kafka apache/kafka:3.9.1
MONGO_IMAGE mongo mongo:7.0
MLFLOW_IMAGE mlflow $(value SUSYSTREAM_IMAGE susystream:0.1.0)
IMAGES
}

commit() { # as the image states it: of this checkout and no other project's, and whether files differ from it
  local found changed made=(src conf docker pyproject.toml README.md LICENSE requirements*.lock)
  cd "$here/.."
  git ls-files --error-unmatch docker/up.sh >/dev/null 2>&1 || { echo unknown; return; }
  found=$(git rev-parse HEAD 2>/dev/null) || { echo unknown; return; }
  changed=$(git status --porcelain -- "${made[@]}" 2>/dev/null) || changed=unknown
  if [ -n "$changed" ]; then found+=-dirty; fi
  echo "$found"
}

told() { # which service stopped it, its last lines, and a cure; servers first, for the others need them
  local service state health code
  for service in $servers $stages; do full "$service"; done
  while IFS='|' read -r service state health code; do
    case "$service:$state:$health:$code" in
      *:running:healthy:* | *:running:starting:*) continue ;; # the latter waited for another one
      kafka:* | mongo:* | mlflow:* | *:restarting:* | *:unhealthy:*) ;;
      *:exited:*:0 | *:created:* | *:running:*) continue ;;
    esac
    if [ "$state" = exited ] && ended_before "$service"; then continue; fi
    echo "the last lines of $service:" >&2
    lines_of "$service" | tail -n 5 | cut -c -400 | sed 's/^/  /' >&2
    if [ "$health" = unhealthy ]; then
      fail "$service: expected it to be well after $(value START_SECONDS 90) s, it is not; correct what its lines say, its image ($(image_of "$service")), or START_SECONDS in docker/.env"
    fi
    fail "$service: expected it to run, received state $state, exit status $code; correct what its lines say, or its image ($(image_of "$service")); all lines: docker compose --file docker/compose.yaml logs $service"
  done < <("${compose[@]}" ps --all --format '{{.Service}}|{{.State}}|{{.Health}}|{{.ExitCode}}' | in_order)
  fail "the engine could not start all of it: $(tail -n 1 "$said" | cut -c -400)"
}

ended_before() { # whether a container ended before this start
  local id; id=$(container "$1")
  [ -n "$id" ] && [[ ! "$(docker inspect --format '{{.State.FinishedAt}}' "$id")" > "$begin" ]]
}

full() { # whether a service found no room; MongoDB says it is well all the same
  [ -n "$(container "$1")" ] || return 0
  if lines_of "$1" | grep -qiE 'no space left|disk is full|disk quota'; then
    fail "$1: expected room on its disk, there is none left; make room (docker system df), then docker/up.sh again"
  fi
}

lines_of() { docker logs --since "${begin}Z" "$(container "$1")" 2>&1 || true; }

in_order() { # servers first
  awk -F '|' '{ if ($1 ~ /^(kafka|mongo|mlflow)$/) first = first $0 "\n"; else rest = rest $0 "\n" }
    END { printf "%s%s", first, rest }'
}

image_of() { # the variable that names it
  case "$1" in kafka) echo KAFKA_IMAGE ;; mongo) echo MONGO_IMAGE ;; mlflow) echo MLFLOW_IMAGE ;; *) echo SUSYSTREAM_IMAGE ;; esac
}

shown() { # what each stage prints, from when it begins
  local service
  for service in $stages; do follow "$service" & done
  wait
}

began() { [[ "$(docker inspect --format '{{.State.StartedAt}}' "$1")" > "$begin" ]]; } # in this start

follow() {
  local id
  until id=$(container "$1") && [ -n "$id" ] && began "$id"; do sleep 1; done
  docker logs --follow --since "${begin}Z" "$id" 2>&1 | sed "s/^/$1 | /"
}

well() { # waits for servers that nothing else was started to wait for
  local service id
  for service in $servers; do
    id=$(container "$service")
    while [ -n "$id" ]; do
      case "$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$id" 2>/dev/null)" in
        "running healthy" | created*) break ;;
        "") fail "$service: expected its container to stay while it starts, it is gone; docker/up.sh again" ;;
        exited* | dead* | *unhealthy) told ;;
      esac
      sleep 1
    done
  done
}

alive() { # a server that ended for good while others wait for it stops all
  local service id state
  for service in $servers; do
    id=$(container "$service")
    [ -n "$id" ] || continue
    state=$(docker inspect --format '{{.State.Status}} {{.State.FinishedAt}}' "$id")
    if [[ "$state" == exited* && "${state#exited }" > "$begin" ]]; then told; fi
  done
}

ended() { # waits for a part of the chain, if it was started
  local id state
  id=$(container "$1")
  [ -n "$id" ] || return 0
  began "$id" || return 0 # of an earlier start
  while state=$(docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$id" 2>/dev/null); do
    case "$state" in created* | "exited 0") return ;; exited*) told ;; esac
    alive
    sleep 2
  done
  fail "$1: expected its container to stay until it ends, it is gone; docker/up.sh again"
}

main() { # read whole before anything runs: the file may be changed meanwhile
  if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit; fi
  local words=() down=
  while [ $# -gt 0 ]; do
    case "$1" in
      --profile) compose+=(--profile "${2:?expected a profile after --profile: spark}"); shift ;;
      --profile=*) compose+=("$1") ;;
      --down) down=yes ;;
      *) words+=("$1") ;;
    esac
    shift
  done
  engine
  known
  if [ -n "$down" ]; then
    MONGO_PASSWORD=${MONGO_PASSWORD:-none} NOTEBOOK_TOKEN=${NOTEBOOK_TOKEN:-none} \
      "${compose[@]}" --profile spark down ${words[@]+"${words[@]}"}
    return
  fi
  secrets
  local read
  read=$("${compose[@]}" config 2>&1) ||
    fail "expected settings that Compose takes, received: $(tail -n 1 <<<"$read" | cut -c -300); correct $settings"
  project=$(sed -n 's/^name: //p' <<<"$read")
  ports
  room
  images
  said=$(mktemp)
  begin=$(date -u +%FT%T)
  echo "starting the servers: docker compose --file docker/compose.yaml logs --follow shows theirs"
  set -m # a process group of its own, which ends with us
  shown &
  shower=$!
  set +m
  trap 'rm -f "$said"; kill -- -$shower $(jobs -p) 2>/dev/null || true' EXIT
  "${compose[@]}" up --detach --no-build ${words[@]+"${words[@]}"} >/dev/null 2>"$said" &
  starting=$!
  while kill -0 $starting 2>/dev/null; do
    alive
    sleep 2
  done
  wait $starting || told
  well
  for service in $stages; do ended "$service"; done
  sleep 1 # for the last lines
  echo "MLflow    http://127.0.0.1:$(value MLFLOW_PORT 5000)"
  echo "notebook  http://127.0.0.1:$(value NOTEBOOK_PORT 8888)  (NOTEBOOK_TOKEN of docker/.env)"
  echo "stop      docker/up.sh --down   (--down --volumes: and forget everything)"
}

main "$@"; exit
