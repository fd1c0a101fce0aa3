# shellcheck shell=bash
# Shared by the benchmarks: processes that end with the script, CPU by the kernel's own accounting, medians.

work=$(mktemp -d /tmp/conduit-bench-XXXXXX)
children=()

cleanup() {
    local pid
    for pid in "${children[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

die() {
    echo "bench: $1" >&2
    exit 1
}

free_port() {
    node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'
}

# wait_http URL SECONDS: until it answers anything.
wait_http() {
    local end=$((SECONDS + $2))
    until curl -s -o /dev/null --max-time 1 "$1"; do
        [[ $SECONDS -lt $end ]] || die "$1 did not answer within $2 s"
        sleep 0.05
    done
}

# cpu_ns PID...: nanoseconds on a processor so far, all threads of all these processes.
cpu_ns() {
    local pid
    for pid in "$@"; do
        cat /proc/"$pid"/task/*/schedstat 2>/dev/null
    done | awk '{s += $1} END {printf "%.0f\n", s}'
}

rss_kb() {
    awk '/^VmRSS/ {print $2}' "/proc/$1/status"
}

median() {
    sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}
