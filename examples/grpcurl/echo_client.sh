#!/usr/bin/env bash
# The TCP client flow: connects, sends each word as a line, and prints what comes back until the other side ends.
#   echo_client.sh [HOST [PORT [WORD...]]]        default: 127.0.0.1 2323 hello bye
set -euo pipefail
[[ ${1:-} != --help ]] || { sed -n '2,3s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=echo-client-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }
subscribe() { exec grpcurl -plaintext -d "$1" "$gateway" tcpip.v1.SocketGatewayService/Subscribe; }

host=${1:-127.0.0.1} port=${2:-2323}
shift $(($# < 2 ? $# : 2))
(($#)) || set -- hello bye
call TcpConnect '{"host": "'"$host"'", "port": '"$port"', "session_id": "'$me'", "subscriber": "'$me'", "mode": "TCP_MODE_LINE"}' >/dev/null
items=$(printf ', {"text": "%s"}' "$@")
call TcpSend '{"session_id": "'$me'", "line_terminator": "LINE_TERMINATOR_LF", "payload": ['"${items#, }"']}' >/dev/null
# Both outputs come in order: the last envelope is the session's end.
while read -r line; do
  case $line in
    '"text": '*) line=${line#'"text": "'} && printf '%s\n' "${line%\"}" ;;
    *EVENT_DISCONNECTED*) break ;;
  esac
done < <(subscribe '{"subscriber": "'$me'"}')
kill $! 2>/dev/null || true
