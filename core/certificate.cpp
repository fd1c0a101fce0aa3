// SPDX-License-Identifier: Apache-2.0
#include "core/certificate.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <arpa/inet.h>
#include <array>
#include <ctime>
#include <fmt/format.h>
#include <memory>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace conduit {
namespace {

constexpr std::size_t k_most_certificates = 16;
constexpr std::size_t k_most_bytes = 256U << 10U;
constexpr std::size_t k_most_names = 200;

template <auto Free> struct Freed {
    template <class T> void operator()(T* value) const { Free(value); }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

Bio bio_of(std::string_view text)
{
    return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string take(const Bio& bio)
{
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio.get(), &data); // NOLINT: OpenSSL's macro casts
    return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string text_of(const X509_NAME* name)
{
    const Bio out(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    return printable(take(out));
}

Result<WallTime> time_of(const ASN1_TIME* time)
{
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1)
        return fail(ErrorKind::failed, "a certificate has a date that is none");
    return WallTime(std::chrono::seconds(::timegm(&parts)));
}

std::string serial_of(const X509* certificate)
{
    const Bio out(BIO_new(BIO_s_mem()));
    i2a_ASN1_INTEGER(out.get(), X509_get0_serialNumber(certificate));
    return to_lower(take(out));
}

std::string address_text(const ASN1_OCTET_STRING* address)
{
    std::array<char, INET6_ADDRSTRLEN> out{};
    const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
    if (ASN1_STRING_length(address) != 4 && ASN1_STRING_length(address) != 16)
        return {};
    const char* text = ::inet_ntop(family, ASN1_STRING_get0_data(address), out.data(), out.size());
    return text == nullptr ? "" : text;
}

std::vector<std::string> names_of(const X509* certificate)
{
    std::vector<std::string> out;
    const NamesPtr names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()) && out.size() < k_most_names; ++i) {
        const auto* one = sk_GENERAL_NAME_value(names.get(), i);
        if (one->type == GEN_DNS)
            out.push_back(printable(std::string_view(
                reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName)), // NOLINT: bytes
                static_cast<std::size_t>(ASN1_STRING_length(one->d.dNSName)))));
        else if (one->type == GEN_IPADD)
            out.push_back(address_text(one->d.iPAddress));
    }
    return out;
}

std::string digest_of_key(EVP_PKEY* key)
{
    const Bio out(BIO_new(BIO_s_mem()));
    return key != nullptr && i2d_PUBKEY_bio(out.get(), key) == 1 ? sha256_hex(take(out)) : std::string();
}

Result<CertificateInfo> info_of(const X509* certificate)
{
    CertificateInfo out;
    out.subject = text_of(X509_get_subject_name(certificate));
    out.issuer = text_of(X509_get_issuer_name(certificate));
    out.serial = serial_of(certificate);
    out.names = names_of(certificate);
    TRY_ASSIGN(out.not_before, time_of(X509_get0_notBefore(certificate)));
    TRY_ASSIGN(out.not_after, time_of(X509_get0_notAfter(certificate)));
    const Bio der(BIO_new(BIO_s_mem()));
    if (i2d_X509_bio(der.get(), certificate) != 1)
        return fail(ErrorKind::failed, "a certificate cannot be written down again");
    out.sha256 = sha256_hex(take(der));
    auto* key = X509_get0_pubkey(certificate);
    out.public_key = digest_of_key(key);
    out.self_signed =
        X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0 &&
        key != nullptr && X509_verify(const_cast<X509*>(certificate), key) == 1; // NOLINT: API
    return out;
}

} // namespace

Result<std::vector<CertificateInfo>> read_certificates(std::string_view pem)
{
    if (pem.size() > k_most_bytes)
        return fail(ErrorKind::failed, "a chain of certificates is larger than 256 KiB");
    std::vector<X509Ptr> chain;
    const auto in = bio_of(pem);
    while (X509* next = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
        chain.emplace_back(next);
        if (chain.size() > k_most_certificates)
            return fail(ErrorKind::failed, "a chain has more than 16 certificates");
    }
    if (chain.empty())
        return fail(ErrorKind::failed, "it holds no PEM certificate");
    std::vector<CertificateInfo> out;
    for (std::size_t i = 0; i < chain.size(); ++i) {
        TRY_ASSIGN(auto info, info_of(chain[i].get()));
        if (i + 1 < chain.size())
            info.signed_by_next = X509_verify(chain[i].get(), X509_get0_pubkey(chain[i + 1].get())) == 1;
        out.push_back(std::move(info));
    }
    return out;
}

Result<std::string> public_key_of(std::string_view private_key_pem)
{
    if (private_key_pem.size() > k_most_bytes)
        return fail(ErrorKind::failed, "a private key is larger than 256 KiB");
    // An encrypted key asks for a pass phrase: an empty answer makes it fail instead of asking the terminal.
    const auto silent = [](char*, int, int, void*) { return 0; };
    const KeyPtr key(PEM_read_bio_PrivateKey(bio_of(private_key_pem).get(), nullptr, silent, nullptr));
    if (!key)
        return fail(ErrorKind::failed, "it holds no PEM private key");
    return digest_of_key(key.get());
}

bool names_host(const CertificateInfo& certificate, std::string_view host)
{
    const auto wanted = to_lower(host);
    for (const auto& one : certificate.names) {
        const auto name = to_lower(one);
        if (name == wanted)
            return true;
        const auto dot = wanted.find('.');
        if (name.starts_with("*.") && dot != std::string::npos && dot > 0 &&
            std::string_view(name).substr(1) == std::string_view(wanted).substr(dot))
            return true;
    }
    return false;
}

} // namespace conduit
