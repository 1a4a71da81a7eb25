#!/usr/bin/env bash
# Multicast: receives one datagram sent to a group, or sends to it.
#   multicast.sh receive [GROUP [PORT [INTERFACE]]]              default: 239.255.42.99 4299, and the system's interface
#   multicast.sh send [GROUP [PORT [INTERFACE [TEXT]]]]
set -euo pipefail
[[ ${1:---help} != --help ]] || { sed -n '2,4s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=multicast-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }
subscribe() { exec grpcurl -plaintext -d "$1" "$gateway" tcpip.v1.SocketGatewayService/Subscribe; }

what=$1 group=${2:-239.255.42.99} port=${3:-4299} interface=${4:-}
if [[ $what == send ]]; then
  call UdpOut '{"host": "'"$group"'", "port": '"$port"', "multicast_interface": "'"$interface"'", "payload": {"text": "'"${5:-hello}"'"}}'
  exit
fi
call UdpIn '{"port": '"$port"', "session_id": "'$me'", "subscriber": "'$me'", "mode": "UDP_MODE_UTF8", "multicast_groups": [{"address": "'"$group"'", "interface": "'"$interface"'"}]}' |
  sed -n 's/.*"localPort": \([0-9]*\).*/listening on port \1/p'
while read -r line; do
  case $line in
    '"text": '*) line=${line#'"text": "'} && echo "${line%\"}" && break ;;
  esac
done < <(subscribe '{"subscriber": "'$me'", "outputs": ["OUTPUT_DATA"]}')
kill $! 2>/dev/null || true
call TcpDisconnect '{"session_id": "'$me'"}' >/dev/null
