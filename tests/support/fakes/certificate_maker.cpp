// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/certificate_maker.hpp"

#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdexcept>

namespace conduit::test {
namespace {

template <auto Free> struct Freed {
    template <class T> void operator()(T* value) const { Free(value); }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;

template <class T> T checked(T value)
{
    if (!value)
        throw std::runtime_error("OpenSSL cannot make a certificate");
    return value;
}

std::string text_of(const Bio& bio)
{
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio.get(), &data); // NOLINT: OpenSSL's macro casts
    return {data, static_cast<std::size_t>(size)};
}

Bio bio_of(const std::string& text)
{
    return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

void set_names(X509* certificate, const CertificateWish& wish)
{
    std::string names;
    for (const auto& name : wish.names)
        names += (names.empty() ? "DNS:" : ",DNS:") + name;
    if (names.empty())
        return;
    X509_EXTENSION* extension =
        checked(X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()));
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

std::time_t seconds(WallTime time)
{
    return std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
}

} // namespace

MadeCertificate make_certificate(const CertificateWish& wish, const MadeCertificate* issuer)
{
    const Key key(checked(EVP_EC_gen("P-256")));
    const Certificate certificate(checked(X509_new()));
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), wish.serial);
    X509_time_adj_ex(X509_getm_notBefore(certificate.get()), 0, 0, nullptr);
    ASN1_TIME_set(X509_getm_notBefore(certificate.get()), seconds(wish.not_before));
    ASN1_TIME_set(X509_getm_notAfter(certificate.get()), seconds(wish.not_after));
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(wish.subject.c_str()), // NOLINT: bytes
                               -1, -1, 0);
    set_names(certificate.get(), wish);
    Key signer;
    if (issuer == nullptr) {
        X509_set_issuer_name(certificate.get(), name);
    } else {
        const Certificate above(
            checked(PEM_read_bio_X509(bio_of(issuer->certificate).get(), nullptr, nullptr, nullptr)));
        X509_set_issuer_name(certificate.get(), X509_get_subject_name(above.get()));
        signer.reset(checked(PEM_read_bio_PrivateKey(bio_of(issuer->key).get(), nullptr, nullptr, nullptr)));
    }
    checked(X509_sign(certificate.get(), signer ? signer.get() : key.get(), EVP_sha256()));
    const Bio out(BIO_new(BIO_s_mem())), secret(BIO_new(BIO_s_mem()));
    checked(PEM_write_bio_X509(out.get(), certificate.get()));
    checked(PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr));
    return {text_of(out), text_of(secret)};
}

} // namespace conduit::test
