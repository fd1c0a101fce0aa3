// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/multipart.hpp"

#include "agent/providers/multipart_scanner.hpp"

#include <fmt/format.h>

namespace conduit::agent {

struct MultipartReader::Impl final : PartSink {
    explicit Impl(std::string_view boundary) : scanner(boundary) {}

    Result<> on_part(const PartHead& head) override
    {
        in_file = head.name == "file";
        if (in_file) {
            if (file_started)
                return fail(ErrorKind::usage, "malformed multipart body: two parts are named 'file'",
                            "Send one audio file in one request.");
            file_started = true;
            filename = head.filename;
            file_content_type = head.content_type;
            return {};
        }
        current.name = head.name.ends_with("[]") ? head.name.substr(0, head.name.size() - 2) : head.name;
        current.value.clear();
        return {};
    }

    Result<> on_data(std::string_view bytes) override
    {
        if (in_file) {
            audio->push_back(bytes);
            return {};
        }
        field_text += bytes.size();
        if (field_text > k_max_field_text)
            return fail(ErrorKind::usage,
                        fmt::format("the fields of the form are larger than {} bytes", k_max_field_text),
                        "Send the audio in the part named 'file'.");
        current.value += bytes;
        return {};
    }

    Result<> on_part_end() override
    {
        if (!in_file)
            fields.push_back(std::move(current));
        current = {};
        in_file = false;
        return {};
    }

    Result<> on_end() override { return {}; }

    MultipartScanner scanner;
    std::vector<std::string_view>* audio = nullptr;
    std::vector<MultipartField> fields;
    MultipartField current;
    std::size_t field_text = 0;
    std::string filename, file_content_type;
    bool in_file = false;
    bool file_started = false;
};

MultipartReader::MultipartReader(std::string_view boundary) : impl_(std::make_unique<Impl>(boundary)) {}
MultipartReader::~MultipartReader() = default;
MultipartReader::MultipartReader(MultipartReader&&) noexcept = default;
MultipartReader& MultipartReader::operator=(MultipartReader&&) noexcept = default;

Result<> MultipartReader::feed(std::string_view piece, std::vector<std::string_view>& audio)
{
    impl_->audio = &audio;
    return impl_->scanner.feed(piece, *impl_);
}

Result<> MultipartReader::finish()
{
    if (!impl_->scanner.complete())
        return fail(ErrorKind::usage, "malformed multipart body: the closing boundary is missing",
                    "The upload was cut, or its Content-Type names another boundary than its body uses.");
    if (!impl_->file_started)
        return Error{ErrorKind::usage, "the form has no part named 'file'",
                     "Send the audio in it: curl -F file=@speech.wav -F model=whisper-1."}
            .with_detail("param", "file");
    return {};
}

bool MultipartReader::file_started() const
{
    return impl_->file_started;
}
bool MultipartReader::complete() const
{
    return impl_->scanner.complete();
}
const std::vector<MultipartField>& MultipartReader::fields() const
{
    return impl_->fields;
}
std::string_view MultipartReader::filename() const
{
    return impl_->filename;
}
std::string_view MultipartReader::file_content_type() const
{
    return impl_->file_content_type;
}

} // namespace conduit::agent
