// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/done_keys.hpp"

#include <nlohmann/json.hpp>

namespace conduit::local {
namespace {

constexpr std::size_t k_kept = 500;

} // namespace

DoneKeys::DoneKeys(fs::path file) : file_(std::move(file)), entries_(Json::array())
{
    const auto text = read_file(file_, 4U << 20U);
    auto document = text ? parse_json(*text) : Result<Json>(Json());
    if (document && document->is_array())
        *entries_ = *std::move(document);
}

const Json* DoneKeys::find(std::string_view key) const
{
    for (const auto& entry : *entries_)
        if (!key.empty() && json_string_or(entry, "key", "") == key)
            return json_find(entry, "result");
    return nullptr;
}

Result<> DoneKeys::put(const std::string& key, Json result)
{
    if (key.empty())
        return {};
    for (auto& entry : *entries_) {
        if (json_string_or(entry, "key", "") == key) {
            entry["result"] = std::move(result);
            return write_file(file_, dump_json(*entries_) + "\n");
        }
    }
    entries_->push_back(Json{{"key", key}, {"result", std::move(result)}});
    while (entries_->size() > k_kept)
        entries_->erase(entries_->begin());
    return write_file(file_, dump_json(*entries_) + "\n");
}

} // namespace conduit::local
