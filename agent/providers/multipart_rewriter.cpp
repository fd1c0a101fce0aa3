// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/multipart_rewriter.hpp"

namespace conduit::agent {

MultipartRewriter::MultipartRewriter(std::string_view boundary, std::string field, std::string value)
    : scanner_(boundary), field_(std::move(field)), value_(std::move(value))
{
}

void MultipartRewriter::feed(std::string_view piece, std::string& out)
{
    out_ = &out;
    // A malformed form was refused by the reader that sees the same bytes; here it just ends.
    (void)scanner_.feed(piece, *this);
    out_ = nullptr;
}

void MultipartRewriter::finish(const TranscriptionParams& /*params*/, std::string& /*out*/) {}

Result<> MultipartRewriter::on_part(const PartHead& head)
{
    *out_ += scanner_.delimiter().substr(2);
    *out_ += "\r\n";
    *out_ += head.raw;
    in_field_ = head.name == field_;
    return {};
}

Result<> MultipartRewriter::on_data(std::string_view bytes)
{
    if (!in_field_)
        *out_ += bytes;
    return {};
}

Result<> MultipartRewriter::on_part_end()
{
    if (in_field_)
        *out_ += value_;
    replaced_ = replaced_ || in_field_;
    in_field_ = false;
    *out_ += "\r\n";
    return {};
}

Result<> MultipartRewriter::on_end()
{
    if (!replaced_) {
        *out_ += scanner_.delimiter().substr(2);
        *out_ += "\r\nContent-Disposition: form-data; name=\"" + field_ + "\"\r\n\r\n" + value_ + "\r\n";
    }
    *out_ += scanner_.delimiter().substr(2);
    *out_ += "--\r\n";
    return {};
}

} // namespace conduit::agent
