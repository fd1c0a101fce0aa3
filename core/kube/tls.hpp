// SPDX-License-Identifier: Apache-2.0
// What a kubeconfig says of certificates, as OpenSSL takes it: never by way of the disk.
#pragma once

#include "core/kube/credentials.hpp"

#include <memory>
#include <openssl/ssl.h>
#include <optional>
#include <vector>

namespace conduit::kube {

struct FreeX509 {
    void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeStore {
    void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};

// The first certificate is ours, the others are shown with it.
struct Chain {
    std::unique_ptr<X509, FreeX509> own;
    std::vector<std::unique_ptr<X509, FreeX509>> others;
    std::unique_ptr<EVP_PKEY, FreeKey> key;
};

Result<Chain> read_chain(const Identity& identity);
// Until when our certificate is good; nullopt where we show none, or it cannot be read.
std::optional<WallTime> certificate_end(const Identity& identity);
Result<std::unique_ptr<X509_STORE, FreeStore>> read_store(const Pem& ca);

} // namespace conduit::kube
