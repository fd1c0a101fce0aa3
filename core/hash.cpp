// SPDX-License-Identifier: Apache-2.0
#include "core/hash.hpp"

#include "core/text.hpp"

#include <new>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <vector>

namespace conduit {
namespace {

const unsigned char* bytes_of(std::string_view text)
{
    return reinterpret_cast<const unsigned char*>(text.data());
}

struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

} // namespace

struct Sha256Stream::State {
    std::unique_ptr<EVP_MD_CTX, FreeContext> context{EVP_MD_CTX_new()};
};

Sha256Digest sha256(std::string_view bytes)
{
    Sha256Digest digest{};
    ::SHA256(bytes_of(bytes), bytes.size(), digest.data());
    return digest;
}

std::string sha256_hex(std::string_view bytes)
{
    return hex(sha256(bytes));
}

Sha256Digest hmac_sha256(std::string_view key, std::string_view bytes)
{
    Sha256Digest digest{};
    unsigned size = 0;
    ::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(bytes), bytes.size(),
           digest.data(), &size);
    return digest;
}

std::string hex(const Sha256Digest& digest)
{
    return hex_encode(digest);
}

std::string_view as_view(const Sha256Digest& digest)
{
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>())
{
    if (!state_->context || EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1)
        throw std::bad_alloc();
}

Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(std::string_view bytes)
{
    EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size());
}

Sha256Digest Sha256Stream::finish()
{
    Sha256Digest digest{};
    EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr);
    return digest;
}

void random_bytes(std::uint8_t* out, std::size_t size)
{
    if (RAND_bytes(out, static_cast<int>(size)) != 1)
        throw std::bad_alloc(); // no entropy: nothing sensible can go on
}

std::string random_token(std::size_t bytes)
{
    std::vector<std::uint8_t> raw(bytes);
    random_bytes(raw.data(), raw.size());
    return hex_encode(raw);
}

std::string fingerprint(std::string_view secret)
{
    return "sha256:" + sha256_hex(secret).substr(0, 8);
}

} // namespace conduit
