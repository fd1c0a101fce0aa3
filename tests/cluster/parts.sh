# shellcheck shell=bash disable=SC2154
# How each part of the test cluster is started. Uses $bin, $state, $node, $address and the functions of lib.sh.

start_part() {
    cd "$state/pki" || exit 1
    # shellcheck disable=SC1091
    . "$state/ports"
    "start_$1"
}

start_etcd() {
    launch etcd etcd --data-dir "$state/etcd" --unsafe-no-fsync \
        --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
        --listen-peer-urls "http://127.0.0.1:$peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
        --initial-cluster "default=http://127.0.0.1:$peer_port"
}

start_apiserver() {
    launch apiserver "$bin/kube-apiserver" --etcd-servers="http://127.0.0.1:$etcd_port" --secure-port="$api_port" \
        --advertise-address="$address" --client-ca-file=ca.crt \
        --tls-cert-file=apiserver.crt --tls-private-key-file=apiserver.key \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file=sa.pub --service-account-signing-key-file=sa.key \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged \
        --service-cluster-ip-range=10.96.0.0/16 \
        --kubelet-client-certificate=admin.crt --kubelet-client-key=admin.key \
        --kubelet-preferred-address-types=InternalIP \
        --requestheader-client-ca-file=ca.crt --requestheader-allowed-names=front-proxy \
        --requestheader-extra-headers-prefix=X-Remote-Extra- --requestheader-group-headers=X-Remote-Group \
        --requestheader-username-headers=X-Remote-User \
        --proxy-client-cert-file=front-proxy.crt --proxy-client-key-file=front-proxy.key
}

start_controllers() {
    launch controllers "$bin/kube-controller-manager" --kubeconfig="$state/controllers.kubeconfig" \
        --service-account-private-key-file=sa.key --root-ca-file=ca.crt --use-service-account-credentials \
        --cluster-cidr=10.244.0.0/16 --allocate-node-cidrs \
        --cluster-signing-cert-file=ca.crt --cluster-signing-key-file=ca.key --leader-elect=false
}

start_scheduler() {
    launch scheduler "$bin/kube-scheduler" --kubeconfig="$state/scheduler.kubeconfig" --leader-elect=false
}

start_containerd() {
    cat >"$state/cni/10-bridge.conflist" <<'EOF'
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
    # Some sandboxes lack CAP_SYS_RESOURCE: restrict_oom_score_adj keeps containers startable there.
    cat >"$state/containerd/config.toml" <<EOF
version = 2
root = "$state/containerd/root"
state = "$state/containerd/state"
[grpc]
  address = "$state/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "conduit.test/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
EOF
    launch containerd containerd --config "$state/containerd/config.toml"
}

start_kubelet() {
    cat >"$state/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {x509: {clientCAFile: $state/pki/ca.crt}, webhook: {enabled: true}, anonymous: {enabled: false}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
failSwapOn: false
clusterDNS: [$address]
clusterDomain: cluster.local
tlsCertFile: $state/pki/kubelet.crt
tlsPrivateKeyFile: $state/pki/kubelet.key
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
EOF
    launch kubelet "$bin/kubelet" --config="$state/kubelet.yaml" --kubeconfig="$state/kubelet.kubeconfig" \
        --hostname-override="$node" --node-ip="$address" --root-dir="$state/kubelet" \
        --container-runtime=remote --container-runtime-endpoint="unix://$state/containerd/containerd.sock" \
        --network-plugin=cni --cni-conf-dir="$state/cni" --cni-bin-dir=/usr/lib/cni
}

start_proxy() {
    launch proxy "$bin/kube-proxy" --kubeconfig="$state/proxy.kubeconfig" --hostname-override="$node" \
        --cluster-cidr=10.244.0.0/16 --conntrack-max-per-core=0 --proxy-mode=iptables
}

start_dns() {
    launch dns "$here/kube" dns
}

# Services as hosts: dnsmasq reads them anew whenever they change, as root, since the folder may be that of root alone.
serve_names() {
    local hosts=$state/hosts line='{.spec.clusterIP}{" "}' name='{.metadata.name}{"."}{.metadata.namespace}' server
    : >"$hosts"
    dnsmasq --keep-in-foreground --user=root --no-resolv --no-hosts --addn-hosts="$hosts" --listen-address="$address" \
        --bind-interfaces --port=53 --log-facility="$state/log/dnsmasq" --pid-file="$state/dnsmasq.pid" &
    server=$!
    # shellcheck disable=SC2064
    trap "kill $server" EXIT
    line+="$name"'{".svc.cluster.local "}'"$name"'{".svc "}'"$name"'{"\n"}'
    while sleep 1; do
        kc get services -A -o jsonpath="{range .items[*]}$line{end}" 2>/dev/null | grep -v '^None' >"$hosts.new" || true
        cmp -s "$hosts" "$hosts.new" || {
            cat "$hosts.new" >"$hosts"
            kill -HUP "$server"
        }
    done
}
