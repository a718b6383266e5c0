# What docker/up.sh asks before anything starts: an engine, settings, secrets, ports, room, images.
# In: what was typed, docker/.env. Out: $project, $wanted (the services to be started); or one line and an end.
# shellcheck shell=bash
export LC_ALL=C # times are compared as texts
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
settings=${SUSYSTREAM_ENV_FILE:-$here/.env}
where=${SUSYSTREAM_ENV_FILE:-docker/.env} # as people know it
if [ "$where" = /dev/null ]; then where='the environment'; fi
compose=(docker compose --progress quiet --file "$here/compose.yaml")
file=()
if [ -f "$settings" ] || [ -n "${SUSYSTREAM_ENV_FILE:-}" ]; then file=(--env-file "$settings"); fi
compose+=(${file[@]+"${file[@]}"})

servers="kafka mongo mlflow" workers="spark-master spark-worker"
stages="publish train evaluate evaluate-spark"

fail() { echo "docker/up.sh: $*" >&2; exit 1; }

containers() { # of a service; a hundred times cheaper than to ask Compose
  docker ps --all --quiet --filter "label=com.docker.compose.project=$project" \
    --filter label=com.docker.compose.oneoff=False --filter "label=com.docker.compose.service=$1"
}

container() { containers "$1" | head -n 1; } # the first, if there is one

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
  SUSYSTREAM_IMAGE KAFKA_IMAGE MONGO_IMAGE MLFLOW_IMAGE EXPERIMENT OVERRIDES PARTITIONS MEMORY SPARK_CORES SPARK_MEMORY"

known() { # the variables as Compose reads them, from the environment and the file
  local name
  [[ "${COMPOSE_PROJECT_NAME:-susystream}" =~ ^[a-z0-9][a-z0-9_-]*$ ]] ||
    fail "expected small letters, digits, - and _ in COMPOSE_PROJECT_NAME, received '$COMPOSE_PROJECT_NAME'; correct it"
  [ -e "$settings" ] || [ -z "${SUSYSTREAM_ENV_FILE:-}" ] ||
    fail "expected a file of settings at $settings (SUSYSTREAM_ENV_FILE), there is none; correct it"
  values=$({
    printf 'name: values\nservices: {none: {image: none}}\nx-values:\n'
    # shellcheck disable=SC2016 # Compose is to expand it
    for name in $VARIABLES; do printf '  %s: "=${%s:-}"\n' "$name" "$name"; done
  } | docker compose ${file[@]+"${file[@]}"} --file - config 2>&1) ||
    fail "expected lines of NAME=value in $settings, Compose cannot read it; correct it"
}

value() { # of a variable, else $2
  local found; found=$(sed -n "s/^  $1: [\"']\{0,1\}=//p" <<<"$values" | head -n 1)
  echo "${found:-$2}"
}

secrets() {
  local name secret copy=''
  [ -e "$settings" ] || copy=" (cp docker/env.example $where)"
  for name in MONGO_PASSWORD NOTEBOOK_TOKEN; do
    secret=$(value "$name" "")
    [ -n "$secret" ] || fail "expected a secret in $name, received none; set it in $where$copy"
    [[ "$secret" =~ ^[A-Za-z0-9._~-]+$ ]] || fail "expected letters, digits, . _ ~ and - in $name, received others (not shown); choose another"
  done
}

flags() { # of `docker compose $1`, which reads them before it shows its help
  local verb=$1 said
  shift
  said=$(docker compose "$verb" --help "$@" 2>&1) ||
    fail "expected what docker compose $verb takes, it says: ${said##*$'\n'}; correct it (docker/up.sh --help)"
}

typed() { # sets $services, those among the words; a word that is neither one nor Compose's is told
  local word before='' all
  all=$("${compose[@]}" --profile spark config --services 2>/dev/null) || return 0 # told by settle
  services=
  for word; do
    case "$before $word" in
      "--scale "*) scaled "$word" "$all" ;;
      "--timeout "* | "-t "* | "--pull "* | "--no-attach "*) ;;
      *" --scale="*) scaled "${word#*=}" "$all" ;;
      *" -"*) before=$word && continue ;;
      *) grep -qxF -- "$word" <<<"$all" || fail "expected a service out of ${all//$'\n'/, }, received $word; correct it"
        services+=$word$'\n' ;;
    esac
    before=
  done
  [ "$before" != --scale ] || fail "expected score or spark-worker and a number after --scale, as in score=3, received nothing; add them"
}

scaled() { # what follows --scale
  if [[ "$1" =~ ^([a-z-]+)=([0-9]+)$ ]] && grep -qxF -- "${BASH_REMATCH[1]}" <<<"$2"; then
    case "${BASH_REMATCH[1]}:${BASH_REMATCH[2]}" in score:* | spark-worker:* | *:0 | *:1) return ;; esac
  fi
  fail "expected score or spark-worker and a number after --scale, as in score=3, received $1; correct it"
}

settle() { # reads the composition: its project, and the services to be started, with what they need
  local services='' said
  typed "$@"
  # shellcheck disable=SC2086 # names, one a word
  said=$("${compose[@]}" config $services 2>&1) ||
    fail "expected settings that Compose takes, received: $(tail -n 1 <<<"$said" | cut -c -300); correct $where"
  project=$(sed -n 's/^name: //p' <<<"$said")
  wanted=$(sed -n '/^services:/,/^[^ ]/s/^  \([a-z-]*\):$/\1/p' <<<"$said")
  if [[ " $* " == *" --no-deps "* ]]; then wanted=${services:-$wanted}; fi
}

is_wanted() { grep -qxF -- "$1" <<<"$wanted"; }

recipes() { # that single stages can do; the others are many runs
  local file
  for file in "$here"/../conf/experiment/*.yaml; do
    grep -q 'mode: MULTIRUN' "$file" || basename "$file" .yaml
  done
}

recipe() { # of the stages, where one is to be started
  local service chosen able how cure="correct it in $where"
  for service in $stages none; do if is_wanted "$service"; then break; fi; done
  chosen=$(value EXPERIMENT quickstart) able=$(recipes)
  if [ "$service" = none ] || grep -qxF -- "$chosen" <<<"$able"; then return; fi
  if [ -f "$here/../conf/experiment/$chosen.yaml" ]; then
    how=experiments/$chosen/run.sh # of those of several commands
    [ -f "$here/../$how" ] || how="susystream run experiment=$chosen"
    cure+=", or run it outside: $how"
  fi
  fail "expected in EXPERIMENT one of ${able//$'\n'/, }, which single stages can do, received $chosen; $cure"
}

PORTS="KAFKA_PORT kafka 9092
MONGO_PORT mongo 27017
MLFLOW_PORT mlflow 5000
NOTEBOOK_PORT notebook 8888"

forms() { # of values; Compose and the stages would not say whose is wrong
  local name service port default form words found
  while read -r name service default; do
    port=$(value "$name" "$default")
    [[ "$port" =~ ^[1-9][0-9]{0,4}$ ]] && [ "$port" -le 65535 ] ||
      fail "$service: expected a port from 1 to 65535 in $name, received '$port'; correct it in $where"
  done <<<"$PORTS"
  while read -r name default form words; do
    found=$(value "$name" "$default")
    [[ "$found" =~ ^$form$ ]] || fail "expected $words in $name, received '$found'; correct it in $where"
  done <<'FORMS'
START_SECONDS 90 [0-9]+ a number of seconds
PARTITIONS 6 [1-9][0-9]* a number
SPARK_CORES 2 [1-9][0-9]* a number
MEMORY 4g [0-9.]+[kmgtKMGT]?i?[bB]? a size as 4g
SPARK_MEMORY 2g [1-9][0-9]*[kmgtKMGT][bB]? a size as 2g
FORMS
  found=$(value OVERRIDES "") form="[[:space:]](-[a-zA-Z-][^[:space:]]*|[\"'+]*stage=[^[:space:]]*)"
  [[ ! " $found" =~ $form ]] ||
    fail "expected settings of stages in OVERRIDES, received ${BASH_REMATCH[1]}, which changes what a service does; leave it out of $where"
}

ports() { # of services that will be started and do not have them yet
  local name service port default other taken=
  while read -r name service default; do
    is_wanted "$service" || continue
    port=$(value "$name" "$default")
    other=$(sed -n "s/^$port //p" <<<"$taken")
    [ -z "$other" ] || fail "$service: expected a port of its own in $name, received $port, which $other has too; set another in $where"
    taken+="$port $name"$'\n'
    if has_port "$service" "$port"; then continue; fi
    if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      fail "$service: expected port $port of 127.0.0.1 to be free, another program has it; end that program, or set another $name in $where"
    fi
  done <<<"$PORTS"
}

has_port() { # whether a service has a port already
  local id
  for id in $(containers "$1"); do
    if docker port "$id" 2>/dev/null | grep -q ":$2\$"; then return 0; fi
  done
  return 1
}

room() { # for a first build and for the volumes, where the engine's disk is this machine's
  local root free need=1
  root=$(docker info --format '{{.DockerRootDir}}')
  [ -d "$root" ] || return 0
  if [ -z "$(value SUSYSTREAM_IMAGE "")" ] && ! docker image inspect susystream:0.1.0 >/dev/null 2>&1; then need=10; fi
  free=$(df -Pk "$root" | awk 'NR == 2 {print $4}')
  [ "$free" -ge $((need * 1000000)) ] || fail "expected $need GB free below $root, received $((free / 1000)) MB; make room (docker system prune)"
}

images() { # ours is built unless another is named; the others are pulled
  local name service default image
  SUSYSTREAM_COMMIT=${SUSYSTREAM_COMMIT:-$(commit)}
  export SUSYSTREAM_COMMIT
  if [ -z "$(value SUSYSTREAM_IMAGE "")" ]; then
    echo "building the image susystream: some five minutes the first time, then seconds"
    "${compose[@]}" build publish >&2 ||
      fail "publish: the image could not be built, the lines above say why; if the base image cannot be had, correct PYTHON_IMAGE in $where"
  fi
  while read -r name service default; do
    image=$(value "$name" "$default")
    if [ "$name" != SUSYSTREAM_IMAGE ] && ! is_wanted "$service"; then continue; fi
    docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null ||
      fail "$service: expected the image $image, none is here and none could be pulled; correct $name in $where, or see to the network"
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
