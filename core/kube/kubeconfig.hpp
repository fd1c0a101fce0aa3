// SPDX-License-Identifier: Apache-2.0
// Where a cluster is and who we are there, as kubectl reads it (client-go's clientcmd): files of KUBECONFIG
// merged, the first of a name wins; else ~/.kube/config; else the account of the pod we run in.
#pragma once

#include "core/fs.hpp"
#include "core/result.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace conduit::kube {

// PEM: bytes from the file itself, or a file that is read anew for each connection, because it is rotated.
struct Pem {
    std::string data;
    fs::path file;
    bool set() const { return !data.empty() || !file.empty(); }
    bool operator==(const Pem&) const = default;
};
Result<std::string> read_pem(const Pem& pem, std::string_view what);

struct Cluster {
    std::string name;
    std::string server; // "https://10.0.0.1:6443", a path is kept
    Pem ca;             // not set: the system's authorities
    std::string tls_server_name;
    bool insecure = false; // only when the file says so
    std::string proxy_url;
    bool operator==(const Cluster&) const = default;
};

// A credential plugin: client.authentication.k8s.io/v1 or v1beta1.
struct ExecPlugin {
    enum class Interactive : std::uint8_t { never, if_available, always };
    std::string api_version;
    std::vector<std::string> argv; // a command with a slash that is relative lies beside its file
    std::map<std::string, std::string> env;
    std::string install_hint;
    bool provide_cluster_info = false;
    Interactive interactive = Interactive::if_available;
    bool operator==(const ExecPlugin&) const = default;
};

struct User {
    std::string name;
    Pem certificate, key;
    std::string token;
    fs::path token_file; // before token, read anew
    std::string username, password;
    std::string impersonate, impersonate_uid;
    std::vector<std::string> impersonate_groups;
    std::optional<ExecPlugin> exec;
    bool operator==(const User&) const = default;
};

struct Access {
    std::string context; // "" inside a pod
    Cluster cluster;
    User user;
    std::string name_space = "default";
};

// Where to look. The environment is a parameter, so that a test can be anywhere.
struct Places {
    fs::path only;          // set: this file and no other; it must exist
    std::string kubeconfig; // of the environment: files joined by ':'; absent ones are passed over
    std::string home;
    std::string service_host, service_port; // KUBERNETES_SERVICE_HOST and _PORT
    fs::path account = "/var/run/secrets/kubernetes.io/serviceaccount";
};

// usage (file:line) for a file that cannot be understood; not_found with the nearest name for an unknown
// context; unreachable when nothing says where a cluster is. context empty: the current one.
Result<Access> find_access(const Places& places, const std::string& context);
Result<std::vector<std::string>> context_names(const Places& places);

} // namespace conduit::kube
