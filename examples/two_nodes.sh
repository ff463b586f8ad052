#!/bin/sh
# PostgreSQL, Redis and two nodes of one service on this machine, from Debian's packages
# (apt-get install postgresql redis-server). Everything is in one folder and ends with this script.
#
#   sh examples/two_nodes.sh [FOLDER]      default ./two-nodes
#
# Node a has the ports 8080 (push endpoint), 8081 (device sockets) and 8082 (API), node b 8090 to 8092;
# PORT=9000 moves them to 9000 to 9002 and 9010 to 9012. Kill one node with -9 and start it again
# with FOLDER/start-node a: what it had at work goes on at the other meanwhile.
# SERVE_OPTIONS are further options of both nodes.
set -eu

mkdir -p "${1:-two-nodes}"
folder=$(cd "${1:-two-nodes}" && pwd)
program=$(cd "$(dirname "$0")/.." && pwd)
port=${PORT:-8080}
postgres_port=$((port + 20))
redis_port=$((port + 21))
store=postgres://heliograph@127.0.0.1:$postgres_port/postgres
programs=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
# Deno itself and not npx, which would be what a kill -9 ends.
deno=$(command -v deno || npx --yes deno@2.9.6 eval 'console.log(Deno.execPath())')

fail() {
  echo "$*" >&2
  exit 1
}

# PostgreSQL refuses to run as root.
as=
if [ "$(id -u)" = 0 ]; then
  as="setpriv --reuid=postgres --regid=postgres --clear-groups"
  chmod a+x "$folder"
  # With this mode also when it is there already: PostgreSQL refuses a folder that others can read.
  install -d -m 700 -o postgres -g postgres "$folder/postgres"
  $as test -x "$folder/postgres" ||
    fail "The user postgres cannot reach $folder. Name another folder, such as /tmp/two-nodes"
else
  mkdir -p "$folder/postgres"
fi
mkdir -p "$folder/redis" "$folder/a" "$folder/b"
! $as "$programs/pg_ctl" status --pgdata "$folder/postgres" >/dev/null 2>&1 ||
  fail "PostgreSQL runs in $folder already. Stop the script that started it, or name another folder"
# Of an earlier run: by now they may be the numbers of other processes.
rm -f "$folder/a.pid" "$folder/b.pid" "$folder/redis.pid"

# One that has ended and that its parent has not yet asked about (a zombie) runs no more.
runs() {
  [ -f "$folder/$1.pid" ] &&
    grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$(cat "$folder/$1.pid")/status"
}
end() {
  for name in "$@"; do ! runs "$name" || kill "$(cat "$folder/$name.pid")" || true; done
  for name in "$@"; do while runs "$name"; do sleep 0.2; done; done
}
# The nodes first: they hand back to Redis and PostgreSQL what they had at work.
stop() {
  trap - EXIT
  trap '' INT TERM
  end a b
  end redis
  $as "$programs/pg_ctl" stop --pgdata "$folder/postgres" --mode fast --silent || true
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ -f "$folder/postgres/PG_VERSION" ] ||
  $as "$programs/initdb" --pgdata "$folder/postgres" --username heliograph --auth trust >/dev/null
$as "$programs/pg_ctl" start --pgdata "$folder/postgres" --wait --silent \
  --log "$folder/postgres/server.log" --options \
  "-c listen_addresses=127.0.0.1 -p $postgres_port -c unix_socket_directories=" ||
  fail "$(tail -n 3 "$folder/postgres/server.log")"

# Every write is on the disk before it is answered: a crash of Redis loses nothing. It and the nodes
# are in sessions of their own, so that Ctrl-C reaches this script only, which ends them in order.
setsid redis-server --bind 127.0.0.1 --port "$redis_port" --dir "$folder/redis" \
  --appendonly yes --appendfsync always --maxmemory-policy noeviction --save '' \
  >"$folder/redis.log" 2>&1 &
echo $! >"$folder/redis.pid"
# That one, and not another which has the port.
until redis-cli -p "$redis_port" info server 2>/dev/null | grep -q "^process_id:$(cat "$folder/redis.pid")"; do
  runs redis || fail "$(tail -n 3 "$folder/redis.log")"
  sleep 0.1
done

# All nodes make the same endpoints, so they have the same keys; and here the same API token.
cd "$program"
umask 077
if [ ! -s "$folder/endpoint-keys" ]; then
  key=$("$deno" run -A mod.ts keys endpoint --json)
  echo "$key" | sed 's/.*"key" *: *"\([^"]*\)".*/\1/' >"$folder/endpoint-keys"
fi
[ -s "$folder/api-token" ] || head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$folder/api-token"

cat >"$folder/start-node" <<EOF
#!/bin/sh
# start-node a|b: a node in the background; its process is in $folder/NAME.pid.
case \$1 in a) first=$port ;; b) first=$((port + 10)) ;; *) exit 2 ;; esac
cd "$program"
pid="$folder/\$1.pid" ready="$folder/\$1.ready" log="$folder/\$1.log"
runs() { [ -f "\$pid" ] && grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/\$(cat "\$pid")/status"; }
# After a kill it may take a moment to end.
for _ in 1 2 3 4 5; do ! runs || sleep 0.2; done
! runs || { echo "Node \$1 runs already" >&2; exit 1; }
rm -f "\$ready"
export HELIOGRAPH_CRYPTO_KEYS_FILE="$folder/endpoint-keys" HELIOGRAPH_API_TOKEN_FILE="$folder/api-token"
setsid "$deno" run --v8-flags=--max-semi-space-size=4 -A mod.ts serve --data "$folder/\$1" \\
  --store $store --queue redis://127.0.0.1:$redis_port \\
  --endpoint-port \$first --device-port \$((first + 1)) --api-port \$((first + 2)) --node-port 0 \\
  --endpoint-url http://127.0.0.1:$port ${SERVE_OPTIONS:-} --json >"\$ready" 2>>"\$log" &
echo \$! >"\$pid"
until [ -s "\$ready" ]; do
  runs || { tail -n 1 "\$log" >&2; exit 1; }
  sleep 0.1
done
EOF
chmod u+x "$folder/start-node"

"$deno" run -A mod.ts migrate --store "$store"
sh "$folder/start-node" a
sh "$folder/start-node" b

cat <<EOF

PostgreSQL, Redis and two nodes are ready.

  node a   endpoint http://127.0.0.1:$port   devices ws://127.0.0.1:$((port + 1))   monitor http://127.0.0.1:$((port + 2))
  node b   endpoint http://127.0.0.1:$((port + 10))   devices ws://127.0.0.1:$((port + 11))   monitor http://127.0.0.1:$((port + 12))
  API token in $folder/api-token, logs in $folder/a.log and b.log

Lose a node:     kill -9 \$(cat "$folder/a.pid")
Start it again:  sh "$folder/start-node" a
Stop with Ctrl-C.
EOF
# Ends when asked to: nodes come and go meanwhile.
while :; do sleep 1; done
