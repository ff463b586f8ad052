#!/bin/sh
# Installs, from Debian's packages, the real programs the tests run against.
# Does nothing when all of them are there.
set -eu

missing=
need() { # program, package
  command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

need firefox-esr firefox-esr # the real client
need certutil libnss3-tools  # gives Firefox a private certificate authority
need chromium chromium       # the page, in the browser that must be told to use another
need erl erlang-base         # the supervisor ours is compared with
need curl curl
need openssl openssl         # certificates
need h2load nghttp2-client   # the load of the benches
need nghttpd nghttp2-server  # HTTP/2 servers that the client must agree with
need nginx nginx-light
need node nodejs
need redis-server redis-server
need influxd influxdb        # takes points as a time series database does
[ -x "$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1)" ] || missing="$missing postgresql"
need unshare util-linux      # a full disk and a network of the test's own
need ip iproute2             # that network
need strace strace           # shows that the store syncs before it answers

[ -z "$missing" ] && exit 0
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing
