#!/usr/bin/env bash
# Tries every operation of the served OpenAPI document as each role, with all
# checks of schemathesis, DURATION seconds a role, against a server of its own
# per role. ROLES names some of the roles, REPORTS a folder for all that was
# found. It exits 1 when anything is found that schemathesis.toml does not name.
#
#   DURATION=30 ROLES="student admin" web/prove/schemathesis.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
DURATION=${DURATION:-120}
ROLES=${ROLES:-anonymous guest student ta teacher admin super_admin}

work=$(mktemp -d)
server= run=
stop_server() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
		server=
	fi
}
cleanup() {
	[ -z "$run" ] || kill "$run" 2>/dev/null || true
	stop_server
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# The tool is kept in the user's cache, one folder per list of versions.
venv=${XDG_CACHE_HOME:-$HOME/.cache}/coagent/schemathesis-$(cksum <"$here/schemathesis.txt" | cut -d ' ' -f 1)
if [ ! -e "$venv/complete" ]; then
	echo "installing schemathesis into $venv"
	rm -rf "$venv"
	mkdir -p "$venv"
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/schemathesis.txt"
	touch "$venv/complete"
fi

echo "building coagent"
(cd "$root" && CGO_ENABLED=0 go build -buildvcs=false -tags timetzdata -o "$work/coagent" .)

# start_server serves a fresh demo course from a folder of its own, and sets url.
# No model of anybody is asked: the providers' addresses are this machine's.
start_server() {
	mkdir "$work/$1"
	cd "$work/$1"
	"$work/coagent" seed-demo >seed.log
	"$work/coagent" serve --addr 127.0.0.1:0 --set log.level=warn \
		--set llm.openai.base_url=http://127.0.0.1:9/v1 --set llm.gemini.base_url=http://127.0.0.1:9 \
		--set limits.requests_per_minute=1000000 --set limits.requests_burst=1000000 \
		--set limits.address_requests_per_minute=1000000 --set limits.address_requests_burst=1000000 \
		--set auth.signin_failures_per_address=1000000 \
		--set limits.answer_within=2s >serve.log 2>&1 &
	server=$!
	url=
	for _ in $(seq 300); do
		url=$(sed -n 's|.*ready at \(http://[0-9.:]*\).*|\1|p' serve.log)
		[ -z "$url" ] || return 0
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	echo "the server does not start:"
	cat serve.log
	exit 1
}

# sign_in prints the access token of a demo account.
sign_in() {
	local password
	password=$(awk -v name="$1" '$1 == name { print $2 }' coagent-data/demo.txt)
	curl --silent --show-error --fail --dump-header - --data-urlencode "username=$1" --data-urlencode "password=$password" \
		"$url/api/v1/login/access-token" | sed -n 's/^[Ss]et-[Cc]ookie: access_token=\([^;]*\);.*/\1/p'
}

failed=
for role in $ROLES; do
	start_server "$role"
	echo "== $role: $DURATION s against $url"
	as=()
	cp "$here/schemathesis.toml" "$work/$role.toml"
	if [ "$role" != anonymous ]; then
		token=$(sign_in "$role")
		[ -n "$token" ] || { echo "$role cannot sign in"; exit 1; }
		# These would end the session of the run; without one, and as somebody who
		# has another, they are tried by the other runs.
		as=(--header "Origin: $url" --exclude-operation-id signOut --exclude-operation-id endSession)
		# By cookie, as the page does: a header beside it would go on working when
		# the tool sends an empty cookie, which counts as none.
		printf '\n[auth.openapi.cookie]\napi_key = "%s"\n' "$token" >>"$work/$role.toml"
	fi
	reports=${REPORTS:-$work}/$role
	mkdir -p "$reports"
	"$venv/bin/schemathesis" --config-file "$work/$role.toml" run "$url/openapi.json" --checks all --max-time "$DURATION" \
		--report json,ndjson --report-dir "$reports" --no-color "${as[@]}" >"$reports/run.log" 2>&1 &
	run=$!
	if wait "$run"; then result=clean; else result="findings"; failed="$failed $role"; fi
	run=
	if ! kill -0 "$server" 2>/dev/null; then
		result="the server ended"
		failed="$failed $role"
	fi
	awk '/= FAILURES =/ { on = 1 } on && ++n <= 400' "$reports/run.log"
	grep -m 20 -E 'level=(ERROR|WARN)|panic' serve.log || true
	echo "== $role: $result"
	stop_server
	cd "$root"
done
if [ -n "$failed" ]; then
	echo "schemathesis found something as:$failed"
	exit 1
fi
echo "schemathesis: nothing is found as any of: $ROLES"
