// SPDX-License-Identifier: Apache-2.0
#include "core/kube/tls.hpp"

#include <chrono>
#include <ctime>
#include <openssl/bio.h>
#include <openssl/pem.h>

namespace conduit::kube {
namespace {

struct FreeBio {
    void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

Bio bio_of(const std::string& pem)
{
    return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

} // namespace

Result<Chain> read_chain(const Identity& identity)
{
    TRY_ASSIGN(const auto certificates, read_pem(identity.certificate, "client certificate"));
    TRY_ASSIGN(const auto key, read_pem(identity.key, "client key"));
    Chain chain;
    const auto in = bio_of(certificates);
    chain.own.reset(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    while (X509* next = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr))
        chain.others.emplace_back(next);
    chain.key.reset(PEM_read_bio_PrivateKey(bio_of(key).get(), nullptr, nullptr, nullptr));
    if (!chain.own || !chain.key)
        return fail(ErrorKind::auth,
                    chain.own ? "the client key is no PEM key" : "the client certificate is no PEM");
    if (X509_check_private_key(chain.own.get(), chain.key.get()) != 1)
        return fail(ErrorKind::auth, "the client key is not that of the client certificate");
    return chain;
}

std::optional<WallTime> certificate_end(const Identity& identity)
{
    if (!identity.certificate.set())
        return std::nullopt;
    const auto chain = read_chain(identity);
    std::tm parts{};
    if (!chain || ASN1_TIME_to_tm(X509_get0_notAfter(chain->own.get()), &parts) != 1)
        return std::nullopt;
    return std::chrono::time_point_cast<WallTime::duration>(
        std::chrono::system_clock::from_time_t(::timegm(&parts)));
}

Result<std::unique_ptr<X509_STORE, FreeStore>> read_store(const Pem& ca)
{
    TRY_ASSIGN(const auto pem, read_pem(ca, "certificate authority"));
    std::unique_ptr<X509_STORE, FreeStore> store(X509_STORE_new());
    const auto in = bio_of(pem);
    int count = 0;
    while (X509* next = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
        X509_STORE_add_cert(store.get(), next);
        X509_free(next);
        ++count;
    }
    if (count == 0)
        return fail(ErrorKind::usage, "certificate-authority holds no PEM certificate");
    return store;
}

} // namespace conduit::kube
