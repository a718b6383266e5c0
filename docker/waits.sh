# How docker/up.sh sees its services begin, live and end; each wait tells what stops it.
# In: containers, $begin, by the engine's clock. Out: a return once all is as it should be; or one line and an end.
# shellcheck shell=bash

now() { # by the engine's clock, in which it tells when things began and ended
  local time; time=$(docker info --format '{{.SystemTime}}')
  case "$time" in
    *Z) echo "${time%Z}" ;;
    ?*) date -u -d "$time" +%FT%T.%N 2>/dev/null ;;
    *) false ;;
  esac || fail "expected the engine's time in UTC, received '$time'; see whether docker info shows one"
}

began() { [[ "$(docker inspect --format '{{.State.StartedAt}}' "$1")" > "$begin" ]]; } # in this start

ended_before() { [[ ! "$(docker inspect --format '{{.State.FinishedAt}}' "$1")" > "$begin" ]]; } # this start

shown() { # what each stage prints, from when it begins
  local service
  for service in $stages; do follow "$service" & done
  wait
}

follow() { # each life of it, if it is started again; $$ is up.sh itself, which may have been killed
  local id state since=${begin}Z
  until id=$(container "$1") && [ -n "$id" ] && began "$id"; do
    kill -0 $$ 2>/dev/null || exit
    sleep 1
  done
  while kill -0 $$ 2>/dev/null; do
    docker logs --follow --since "$since" "$id" 2>&1 | sed "s/^/$1 | /"
    state=$(docker inspect --format '{{.State.Status}} {{.State.FinishedAt}}' "$id" 2>/dev/null) || return
    case "$state" in running* | restarting*) since=${state#* } ;; *) return ;; esac
    sleep 1
  done
}

ended_ids='' # of what ended, when alive last looked: Compose ends for a moment what it makes anew

alive() { # what ended for good while others wait for it stops all
  local service id state ids=''
  for service in $servers $workers; do
    if [[ " $workers " == *" $service "* ]] && ! is_wanted "$service"; then continue; fi
    for id in $(containers "$service"); do
      state=$(docker inspect --format '{{.State.Status}} {{.State.FinishedAt}}' "$id" 2>/dev/null) || continue
      if [[ "$state" != exited* || ! "${state#exited }" > "$begin" ]]; then continue; fi
      if [[ "$ended_ids" == *"$id"* ]]; then told; fi
      ids+=" $id"
    done
  done
  ended_ids=$ids
}

asked_mongo='' # its container that was asked

let_in() { # asks each MongoDB once, as soon as it is well: it keeps the password of its first start
  local id said
  local login='db.getSiblingDB("admin").auth(process.env.MONGO_INITDB_ROOT_USERNAME, process.env.MONGO_INITDB_ROOT_PASSWORD)'
  id=$(container mongo)
  if [ "$asked_mongo" = "$id" ]; then return 0; fi
  if [[ "$(docker inspect --format '{{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}' "$id" 2>/dev/null)" != "running healthy" ]]; then return 0; fi
  asked_mongo=$id
  said=$(docker exec --env HOME=/tmp "$id" timeout 30 mongosh --quiet --host mongo --eval "$login" 2>&1) || true
  if grep -qi 'authentication failed' <<<"$said"; then
    fail "mongo: expected the MONGO_PASSWORD of its first start, received another; set that one in $where, or forget all it holds: docker/up.sh --down --volumes"
  fi
}

well() { # waits for services that nothing else was started to wait for
  local service id
  for service; do
    for id in $(containers "$service"); do is_well "$service" "$id"; done
  done
}

is_well() { # a container $2 of service $1, in the end
  while :; do
    case "$(docker inspect --format '{{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}' "$2" 2>/dev/null)" in
      "running healthy" | created*) return ;;
      paused*) paused "$1" "$2" ;;
      "") gone "$1" ;;
      exited* | dead*) if ended_before "$2"; then return; else told; fi ;;
      "running unhealthy") told ;; # one that is being started again is called unhealthy too
    esac
    sleep 1
  done
}

ended() { # waits for a part of the chain, if it was started
  local id state
  id=$(container "$1")
  [ -n "$id" ] || return 0
  began "$id" || return 0 # of an earlier start
  while state=$(docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$id" 2>/dev/null); do
    case "$state" in
      created* | "exited 0") return ;;
      exited* | dead*) told ;;
      paused*) paused "$1" "$id" ;;
    esac
    alive
    sleep 2
  done
  gone "$1"
}

steady() { # waits until scorers have run for 15 s: those that cannot start have ended by then
  local states last='' since=$SECONDS
  while [ $((SECONDS - since)) -lt 15 ]; do
    states=$(scorers) || exit
    [ -n "$states" ] || return 0
    if [ "$states" != "$last" ]; then last=$states since=$SECONDS; fi
    sleep 1
  done
}

scorers() { # those that this start began, and which life of theirs it is
  local id state
  for id in $(containers score); do
    state=$(docker inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.State.StartedAt}}' "$id" 2>/dev/null) || continue
    case "$state" in
      created* | "exited 0 "*) continue ;;
      paused*) paused score "$id" ;;
      exited* | dead*) if ended_before "$id"; then continue; else told; fi ;;
      running*) began "$id" || continue ;;
    esac
    echo "$id $state"
  done
}

paused() { fail "$1: expected it to run, it is paused; docker unpause ${2:0:12}, then docker/up.sh again"; }

gone() { fail "$1: expected its container to stay, it is gone; docker/up.sh again"; }
