#!/usr/bin/env bash
# Reads holding registers of a Modbus/TCP device: binary frames, which JSON writes as base64.
#   modbus.sh HOST [PORT [FIRST [COUNT]]]        default: 502 0 4
set -euo pipefail
[[ ${1:---help} != --help ]] || { sed -n '2,3s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=modbus-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }

first=${3:-0} count=${4:-4}
call TcpConnect '{"host": "'"$1"'", "port": '"${2:-502}"', "session_id": "'$me'"}' >/dev/null
# Transaction 1, protocol 0, six more bytes: unit 1, function 3, the first register and how many.
request=$(printf '0001 0000 0006 01 03 %04x %04x' "$first" "$count" | tr -d ' ' | sed 's/../\\x&/g')
# Seven bytes of head, function, size, and two for each register. An answer may come in pieces, so read on until it is whole.
answer='' payload='[{"bytes": "'$(printf '%b' "$request" | base64)'"}]'
while ((${#answer} < 2 * (9 + 2 * count))); do
  piece=$(call TcpExchange '{"session_id": "'$me'", "payload": '"$payload"', "timeout": "10s"}' | sed -n 's/^ *"bytes": "\(.*\)".*/\1/p' | base64 -d | od -An -v -tx1 | tr -d ' \n')
  [[ $piece ]] || { echo "the device hung up" >&2; exit 1; }
  answer+=$piece payload='[]'
  if ((16#${answer:14:2} & 128)); then
    echo "the device refused: exception $((16#${answer:16:2}))" >&2
    exit 1
  fi
done
for ((i = 0; i < count; i++)); do
  echo "register $((first + i)): $((16#${answer:18 + 4 * i:4}))"
done
call TcpDisconnect '{"session_id": "'$me'"}' >/dev/null
