#!/usr/bin/env bash
# Asks a measuring instrument who it is and what it measures: SCPI over its raw socket.
#   scpi.sh HOST [PORT [QUERY...]]        default: 5025 *IDN? MEAS:VOLT:DC?
set -euo pipefail
[[ ${1:---help} != --help ]] || { sed -n '2,3s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=scpi-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }

host=$1 port=${2:-5025}
shift $(($# < 2 ? $# : 2))
(($#)) || set -- '*IDN?' 'MEAS:VOLT:DC?'
call TcpConnect '{"host": "'"$host"'", "port": '"$port"', "session_id": "'$me'", "mode": "TCP_MODE_LINE"}' >/dev/null
for query; do
  # A query has one line for an answer.
  call TcpExchange '{"session_id": "'$me'", "payload": [{"text": "'"$query"'"}], "line_terminator": "LINE_TERMINATOR_LF", "timeout": "10s"}' |
    sed -n 's/^ *"text": "\(.*\)".*/\1/p' | sed "s/^/$(sed 's/[*\/&]/\\&/g' <<<"$query") -> /"
done
call TcpDisconnect '{"session_id": "'$me'"}' >/dev/null
