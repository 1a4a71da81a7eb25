#!/usr/bin/env bash
# The inactivity timeout: a connection on which nothing happens for a while is reported and closed.
#   timeout.sh HOST PORT [SECONDS]        default: 1
set -euo pipefail
[[ ${1:---help} != --help ]] || { sed -n '2,3s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=timeout-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }
subscribe() { exec grpcurl -plaintext -d "$1" "$gateway" tcpip.v1.SocketGatewayService/Subscribe; }

call TcpConnect '{"host": "'"$1"'", "port": '"$2"', "session_id": "'$me'", "subscriber": "'$me'", "timeout": "'"${3:-1}"'s", "on_timeout": "TIMEOUT_ACTION_CLOSE"}' >/dev/null
while read -r line; do
  case $line in
    '"errorText": '*) line=${line#*: } && echo "${line%,}" ;;
    '"reason": '*) line=${line#*: } && echo "closed: ${line%,}" && break ;;
  esac
done < <(subscribe '{"subscriber": "'$me'", "outputs": ["OUTPUT_EVENTS"]}')
kill $! 2>/dev/null || true
