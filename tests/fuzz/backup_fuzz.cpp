// SPDX-License-Identifier: Apache-2.0
// What lies in a repository, and what a store answers: manifests, proofs, archives, XML.
#include "cli/backup/manifest.hpp"
#include "cli/backup/s3_answers.hpp"
#include "cli/backup/tar_count.hpp"

#include <cstdint>
#include <cstdlib>

using namespace conduit::backup;

namespace {

TarCount count(std::string_view bytes, std::size_t step)
{
    TarCounter counter;
    for (std::size_t at = 0; at < bytes.size(); at += step)
        counter.feed(bytes.substr(at, step));
    return counter.count();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size < 1)
        return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto pieces = count(bytes, 1U + data[0]), whole = count(bytes, bytes.size() + 1);
    if (pieces.files != whole.files || pieces.bytes != whole.bytes || pieces.broken != whole.broken)
        std::abort(); // how the bytes were cut must not matter
    constexpr auto id = "20261122T020000Z-7f3a";
    if (const auto manifest = read_manifest(bytes, id); manifest && write_manifest(*manifest).empty())
        std::abort();
    (void)read_proof(bytes, id).has_value();
    (void)read_s3_list(bytes).has_value();
    (void)read_s3_upload_id(bytes).has_value();
    (void)read_s3_error(bytes);
    if (is_id(bytes))
        (void)time_of(std::string(bytes));
    return 0;
}
