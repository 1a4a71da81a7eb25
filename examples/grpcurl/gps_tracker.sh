#!/usr/bin/env bash
# A server for GPS trackers that connect and report NMEA sentences: prints those with a position. Ctrl-C ends it.
#   gps_tracker.sh [PORT]        default: 5020
set -euo pipefail
[[ ${1:-} != --help ]] || { sed -n '2,3s/^# //p' "$0"; exit; }
gateway=${GATEWAY:-127.0.0.1:50051} me=gps-tracker-$$
call() { grpcurl -plaintext -d "$2" "$gateway" "tcpip.v1.SocketGatewayService/$1"; }
subscribe() { exec grpcurl -plaintext -d "$1" "$gateway" tcpip.v1.SocketGatewayService/Subscribe; }

# A tracker that says nothing for five minutes is hung up on.
listener=$(call TcpListen '{"host": "127.0.0.1", "port": '"${1:-5020}"', "subscriber": "'$me'", "mode": "TCP_MODE_LINE", "timeout": "300s"}')
id=$(sed -n 's/.*"listenerId": "\(.*\)".*/\1/p' <<<"$listener")
trap 'kill $! 2>/dev/null || true; call TcpUnlisten "{\"listener_id\": \"$id\", \"close_sessions\": true}" >/dev/null' EXIT
trap 'exit 0' INT TERM
sed -n 's/.*"localPort": \([0-9]*\).*/listening on port \1/p' <<<"$listener"

checksum() {
  local body=$1 sum=0 i
  for ((i = 0; i < ${#body}; i++)); do
    sum=$((sum ^ $(printf '%d' "'${body:i:1}")))
  done
  printf '%02X' "$sum"
}
while read -r line; do
  [[ $line == '"text": '* ]] || continue
  sentence=${line#'"text": "'} sentence=${sentence%\"}
  body=${sentence#\$} body=${body%\**}
  if [[ $sentence != \$*\*?? || $(checksum "$body") != "${sentence#*\*}" ]]; then
    echo "no sentence: $sentence"
    continue
  fi
  IFS=, read -r kind time latitude ns longitude ew _ <<<"$body"
  [[ $kind != ??GGA ]] || echo "$time: $latitude $ns, $longitude $ew"
done < <(subscribe '{"subscriber": "'$me'", "outputs": ["OUTPUT_DATA"]}')
