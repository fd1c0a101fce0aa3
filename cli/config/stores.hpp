// SPDX-License-Identifier: Apache-2.0
// Where a context keeps its data, and where its backups go.
#pragma once

#include "cli/config/secret.hpp"
#include "core/fs.hpp"

#include <string>
#include <vector>

namespace conduit {

struct TlsConfig {
    bool on = false;           // "enabled"; rediss:// says it as well
    fs::path ca;               // PEM; empty: the system's authorities
    fs::path certificate, key; // PEM, ours, where the server asks for one
    std::string server_name;   // what its certificate must be for; empty: the address
};
struct RedisConfig {
    std::string url;                    // redis://host:port/db or rediss://, or
    std::string service;                // a service inside the cluster, through a tunnel
    int port = 6379;                    // of the service
    int database = 0;                   // of the service
    std::vector<std::string> sentinels; // host:port, or services; they name the server
    std::string master = "mymaster";
    std::string user;
    SecretRef password;
    TlsConfig tls;
    bool set() const { return !url.empty() || !service.empty() || !sentinels.empty(); }
};
struct PostgresConfig {
    std::string host;    // a name, an address or a folder of sockets, or
    std::string service; // a service inside the cluster, through a tunnel
    int port = 5432;
    std::string database;
    std::string user;
    SecretRef password;
    std::string ssl_mode; // libpq's: "" is prefer
    fs::path ca;
    bool set() const { return !host.empty() || !service.empty(); }
};
struct PrometheusConfig {
    std::string url;
    std::string via; // "cluster": through the API server
    SecretRef token;
};
struct BackupConfig {
    std::string repository; // a folder, or s3://bucket/prefix
    std::string endpoint;   // of an S3-compatible server; empty: AWS
    std::string region;
    bool path_style = false;             // the bucket in the path instead of in the host's name
    std::vector<std::string> recipients; // age1..., of the age program
    fs::path identity;                   // the private half, where backups are proved; not on every host
    std::vector<std::string> parts;      // "postgres", "redis", "kubernetes", "control", "folder:/var/lib/x"
    int keep_daily = 0;
    int keep_weekly = 0;
    int keep_monthly = 0;
    SecretRef access_key;
    SecretRef secret_key;
    SecretRef session_token;
    std::string heartbeat; // a URL that is asked after a success
    fs::path metrics;      // a textfile of figures for Prometheus
};

} // namespace conduit
