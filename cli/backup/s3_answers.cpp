// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/s3_answers.hpp"

#include <charconv>
#include <fmt/format.h>
#include <pugixml.hpp>
#include <sstream>

namespace conduit::backup {
namespace {

constexpr std::size_t k_largest = 16U << 20U;

bool load(pugi::xml_document& document, std::string_view xml)
{
    return xml.size() <= k_largest && document.load_buffer(xml.data(), xml.size());
}

Error no_answer(std::string_view what)
{
    return {ErrorKind::failed, fmt::format("the store's answer is no {}", what),
            "Is backup.endpoint that of an S3-compatible store?"};
}

} // namespace

std::optional<std::uint64_t> s3_number(std::string_view text)
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

Result<S3Page> read_s3_list(std::string_view xml)
{
    pugi::xml_document document;
    const auto root = load(document, xml) ? document.child("ListBucketResult") : pugi::xml_node();
    if (!root)
        return no_answer("list of objects");
    S3Page page;
    for (const auto& item : root.children("Contents")) {
        const auto size = s3_number(item.child_value("Size"));
        const std::string key = item.child_value("Key");
        if (!size || key.empty())
            return no_answer("list of objects");
        page.files.push_back({key, *size});
    }
    if (std::string_view(root.child_value("IsTruncated")) == "true") {
        page.next = root.child_value("NextContinuationToken");
        if (page.next.empty())
            return no_answer("list of objects: it is cut, and does not say how to go on");
    }
    return page;
}

Result<std::string> read_s3_upload_id(std::string_view xml)
{
    pugi::xml_document document;
    std::string id;
    if (load(document, xml))
        id = document.child("InitiateMultipartUploadResult").child_value("UploadId");
    if (id.empty())
        return no_answer("begun upload");
    return id;
}

S3Error read_s3_error(std::string_view xml)
{
    pugi::xml_document document;
    if (!load(document, xml))
        return {};
    const auto root = document.child("Error");
    return {root.child_value("Code"), root.child_value("Message")};
}

std::string write_s3_completion(const std::vector<std::string>& tags)
{
    pugi::xml_document document;
    auto root = document.append_child("CompleteMultipartUpload");
    for (std::size_t i = 0; i < tags.size(); ++i) {
        auto part = root.append_child("Part");
        part.append_child("PartNumber").text().set(std::to_string(i + 1).c_str());
        part.append_child("ETag").text().set(tags[i].c_str());
    }
    std::ostringstream out;
    document.save(out, "", pugi::format_raw);
    return out.str();
}

} // namespace conduit::backup
