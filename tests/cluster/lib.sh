# shellcheck shell=bash disable=SC2154
# Processes, certificates and images of the test cluster. Uses $bin, $state, $node, $address.

kc() { "$bin/kubectl" --kubeconfig="$state/admin.kubeconfig" "$@"; }

alive() { [[ -f $state/$1.pid ]] && kill -0 "$(cat "$state/$1.pid")" 2>/dev/null; }

# launch NAME COMMAND...: in a session of its own, its output in the log.
launch() {
    local name=$1
    shift
    alive "$name" && return
    setsid "$@" >>"$state/log/$name" 2>&1 </dev/null &
    echo $! >"$state/$name.pid"
}

# Ended by its process id, and gone when this returns.
stop_part() {
    local pid i
    if alive "$1"; then
        pid=$(cat "$state/$1.pid")
        kill "$pid" 2>/dev/null || true
        for ((i = 0; i < 100; i++)); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$state/$1.pid"
}

# wait_for WHAT SECONDS COMMAND...
wait_for() {
    local what=$1 end=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            echo "kube: $what did not come up in time; see $state/log" >&2
            exit 1
        fi
        sleep 0.2
    done
}

node_is_ready() { kc get node "$node" | grep -qw Ready; }

need_programs() {
    local program
    for program in etcd containerd runc ctr dnsmasq iptables conntrack openssl ip; do
        command -v "$program" >/dev/null || {
            echo "kube: $program is missing: apt-get install etcd-server containerd runc containernetworking-plugins" \
                "dnsmasq-base iptables conntrack socat openssl iproute2" >&2
            exit 1
        }
    done
    [[ -x $bin/kubelet ]] || {
        echo "kube: no Kubernetes in $bin: run tests/cluster/build-kubernetes" >&2
        exit 1
    }
}

# Free ports of loopback, kept for the life of the cluster, because certificates and kubeconfigs name them.
choose_ports() {
    if [[ ! -f $state/ports ]]; then
        local ports=() port
        while [[ ${#ports[@]} -lt 3 ]]; do
            port=$((20000 + RANDOM % 10000))
            (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || ports+=("$port")
        done
        echo "api_port=${ports[0]} etcd_port=${ports[1]} peer_port=${ports[2]}" >"$state/ports"
    fi
    # shellcheck disable=SC1091
    . "$state/ports"
}

make_bridge() {
    ip link show kube0 >/dev/null 2>&1 || {
        ip link add kube0 type bridge
        ip addr add "$address/32" dev kube0
        ip link set kube0 up
    }
    sysctl -qw net.ipv4.ip_forward=1
}

# --- certificates ---------------------------------------------------------------------------------------------------------
make_authority() {
    [[ -f ca.crt ]] || openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 3650 \
        -subj /CN=conduit-test-ca 2>/dev/null
    [[ -f sa.key ]] || {
        openssl genrsa -out sa.key 2048 2>/dev/null
        openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
    }
}

# issue NAME SUBJECT [ALTERNATIVE-NAMES]
issue() {
    [[ -f $1.crt ]] && return
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" -extfile <(
        printf 'keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n'
        printf '%s' "${3:+subjectAltName=$3}"
    ) 2>/dev/null
}

# kubeconfig NAME: with the certificate of that name inside.
kubeconfig() {
    local file=$state/$1.kubeconfig
    local config=("$bin/kubectl" config "--kubeconfig=$file")
    "${config[@]}" set-cluster test --server="https://127.0.0.1:$api_port" --certificate-authority=ca.crt \
        --embed-certs >/dev/null
    "${config[@]}" set-credentials "$1" --client-certificate="$1.crt" --client-key="$1.key" --embed-certs >/dev/null
    "${config[@]}" set-context "$1" --cluster=test --user="$1" >/dev/null
    "${config[@]}" use-context "$1" >/dev/null
}

make_certificates() {
    local name subject names
    cd "$state/pki" || exit 1
    make_authority
    while read -r name subject names; do
        issue "$name" "$subject" "$names"
        kubeconfig "$name"
    done <<EOF
apiserver /CN=kube-apiserver DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$address,IP:10.96.0.1
admin /O=system:masters/CN=admin
controllers /CN=system:kube-controller-manager
scheduler /CN=system:kube-scheduler
kubelet /O=system:nodes/CN=system:node:$node DNS:$node,IP:$address,IP:127.0.0.1
proxy /CN=system:kube-proxy
front-proxy /CN=front-proxy
EOF
}

# --- images -----------------------------------------------------------------------------------------------------------------
# make_image ROOTFS NAME ENTRYPOINT-JSON OUT
make_image() {
    local work digest
    work=$(mktemp -d)
    tar -C "$1" --owner=0 --group=0 --numeric-owner -cf "$work/layer.tar" .
    digest=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
    cat >"$work/config.json" <<EOF
{"architecture": "amd64", "os": "linux", "config": {"Entrypoint": $3,
 "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$digest"]}}
EOF
    printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$2" >"$work/manifest.json"
    tar -C "$work" -cf "$4" manifest.json config.json layer.tar
    rm -rf "$work"
}

load_image() { ctr -a "$state/containerd/containerd.sock" -n k8s.io images import "$1"; }

# The program that holds a pod's namespaces; no registry can be asked for it.
load_pause() {
    local work
    ctr -a "$state/containerd/containerd.sock" -n k8s.io images ls -q | grep -q /pause: && return
    work=$(mktemp -d)
    mkdir "$work/root"
    cat >"$work/pause.c" <<'EOF'
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void reap(int s) { (void)s; while (waitpid(-1, 0, WNOHANG) > 0) {} }
static void end(int s) { (void)s; _exit(0); }
int main(void) { signal(SIGCHLD, reap); signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }
EOF
    cc -static -Os -o "$work/root/pause" "$work/pause.c"
    make_image "$work/root" conduit.test/pause:1 '["/pause"]' "$work/image.tar"
    load_image "$work/image.tar" >/dev/null
    rm -rf "$work"
}

end_containers() {
    local container
    alive containerd || return 0
    for container in $(ctr -a "$state/containerd/containerd.sock" -n k8s.io task ls -q 2>/dev/null); do
        ctr -a "$state/containerd/containerd.sock" -n k8s.io task rm -f "$container" >/dev/null 2>&1 || true
    done
}
