// SPDX-License-Identifier: Apache-2.0
// The multipart reader must neither crash nor depend on how the bytes are cut into pieces.
#include "agent/providers/multipart.hpp"
#include "agent/providers/request.hpp"

#include <cstdint>
#include <cstdlib>

using namespace conduit::agent;

namespace {

struct Seen {
    bool ok = true;
    std::string audio;
    std::string rest;
};

Seen read(std::string_view body, std::size_t step)
{
    MultipartReader reader("b");
    Seen out;
    for (std::size_t at = 0; out.ok && at < body.size(); at += step) {
        std::vector<std::string_view> audio;
        out.ok = reader.feed(body.substr(at, step), audio).has_value();
        for (const auto view : audio)
            out.audio += view;
    }
    out.ok = out.ok && reader.finish().has_value();
    for (const auto& field : reader.fields())
        out.rest += field.name + "=" + field.value + ";";
    out.rest += reader.filename();
    out.rest += reader.file_content_type();
    (void)read_transcription(reader, "b", Operation::transcription);
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size < 1)
        return 0;
    const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto whole = read(body, size);
    const auto pieces = read(body, 1U + data[0] % 64U);
    if (whole.ok != pieces.ok || whole.audio != pieces.audio || whole.rest != pieces.rest)
        std::abort();
    (void)multipart_boundary(body);
    (void)parse_speech(body);
    return 0;
}
