#!/bin/sh
# The guide's job, shown in the lab: an ordinary Elasticsearch is the hosted
# deployment, and the door before the other one is the Serverless project. Run
# by make demo-serverless.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "$here/../../bin" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here"/. "$work"
cd "$work"

export ESMIG_VAR_source_endpoint="$ESLAB_SOURCE_URL" ESMIG_VAR_source_api_key="$ESLAB_SOURCE_READ_API_KEY" ESMIG_VAR_source_ca_file="$ESLAB_SOURCE_CA_FILE"
export ESMIG_VAR_target_endpoint="$ESLAB_SERVERLESS_URL" ESMIG_VAR_target_api_key="$ESLAB_SERVERLESS_API_KEY" ESMIG_VAR_target_ca_file="$ESLAB_SERVERLESS_CA_FILE"

# The hosted deployment: the flights of three months, each in an index, those of
# December in a data stream, and the carriers. (The lifecycle policy of the
# stream is left out: the lab's build has none.)
send() {
  curl -sS --fail-with-body -o "$work/answer" --cacert "$ESLAB_SOURCE_CA_FILE" -H "Authorization: ApiKey $ESLAB_SOURCE_API_KEY" \
    -H "Content-Type: $1" -X "$2" "$ESLAB_SOURCE_URL$3" --data-binary "$4" || { cat "$work/answer" >&2; exit 1; }
}
json() { send application/json "$@"; }
during() { printf '"query":{"range":{"time_hour":{"gte":"%s","lt":"%s"}}}' "$1" "$2"; }
"$bin/eslab" load source
json PUT /_index_template/flights-live '{"index_patterns":["flights-live"],"priority":200,"data_stream":{}}'
for m in 1 2 3; do
  json POST "/_reindex?refresh=true" "{\"source\":{\"index\":\"flights\",\"size\":5000,$(during 2013-0$m-01 2013-0$((m + 1))-01)},\"dest\":{\"index\":\"flights-2013-0$m\"}}"
done
json POST "/_reindex?refresh=true" "{\"source\":{\"index\":\"flights\",\"size\":5000,$(during 2013-12-01 2014-01-01)},\"dest\":{\"index\":\"flights-live\",\"op_type\":\"create\"},
  \"script\":{\"source\":\"ctx._source['@timestamp'] = ctx._source.time_hour\"}}"
send application/x-ndjson POST "/carriers/_bulk?refresh=true" '{"index":{"_id":"UA"}}
{"code":"UA","name":"United Air Lines Inc."}
{"index":{"_id":"B6"}}
{"code":"B6","name":"JetBlue Airways"}
{"index":{"_id":"DL"}}
{"code":"DL","name":"Delta Air Lines Inc."}
'

say() { printf '\n$ %s\n' "$*"; }
say esmig plan
"$bin/esmig" plan
say esmig apply -auto-approve
"$bin/esmig" apply -auto-approve
say esmig plan
"$bin/esmig" plan
printf '\nWhat was tried that Serverless does not have:\n'
refused=$(curl -sS --fail --cacert "$ESLAB_SERVERLESS_CA_FILE" "$ESLAB_SERVERLESS_DOOR_URL/refused")
echo "$refused"
[ "$refused" = '{"refused":[]}' ]
