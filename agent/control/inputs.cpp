// SPDX-License-Identifier: Apache-2.0
#include "agent/control/inputs.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::agent {
namespace {

std::string all_messages(const std::vector<Error>& errors)
{
    std::vector<std::string> messages;
    for (const auto& error : errors)
        messages.push_back(error.message);
    return join(messages, "; ");
}

// A file that is being written anew is empty for a moment; taking that would lock everybody out.
template <class T>
Result<std::vector<T>> read_list(const fs::path& file, bool had_entries,
                                 Result<std::vector<T>> (*parse)(std::string_view, const std::string&))
{
    if (file.empty())
        return std::vector<T>{};
    TRY_ASSIGN(const auto text, read_file(file, 16U << 20U));
    if (had_entries && trim(text).empty())
        return fail(ErrorKind::usage, fmt::format("{} is empty", file.string()),
                    "Write [] when there shall be no entries.");
    return parse(text, file.string());
}

Result<std::shared_ptr<const SafetyRules>> read_rules(const fs::path& file)
{
    if (file.empty())
        return std::make_shared<const SafetyRules>();
    TRY_ASSIGN(const auto text, read_file(file, 4U << 20U));
    auto rules = SafetyRules::parse(text, file.string());
    if (!rules)
        return Error{ErrorKind::usage, all_messages(rules.error())};
    return std::make_shared<const SafetyRules>(*std::move(rules));
}

bool same(const HostPort& a, const HostPort& b)
{
    return a.host == b.host && a.port == b.port;
}

} // namespace

Result<Inputs> Inputs::load(Config base)
{
    Inputs inputs;
    inputs.started_with_ = base;
    inputs.base_ = std::move(base);
    inputs.watch(); // before reading: a change while reading is noticed later
    TRY_ASSIGN(inputs.keys_, read_list(inputs.base_.keys_file, false, parse_keys));
    TRY_ASSIGN(inputs.tokens_, read_list(inputs.base_.admin_tokens, false, parse_tokens));
    TRY_ASSIGN(inputs.rules_, read_rules(inputs.base_.safety.rules));
    return inputs;
}

void Inputs::watch()
{
    auto paths = base_.secret_files;
    paths.insert(paths.end(), {base_.file, base_.keys_file, base_.admin_tokens, base_.safety.rules});
    files_.watch(paths);
}

template <class T, class Read> bool Inputs::refresh_part(const char* name, T& part, const Read& read)
{
    auto value = read();
    if (!value) {
        const auto& message = value.error().message;
        return std::exchange(errors_[name], message) != message;
    }
    errors_.erase(name);
    part = *std::move(value);
    return true;
}

bool Inputs::refresh_config()
{
    if (base_.file.empty())
        return false;
    auto config = load_config(base_.file);
    if (!config) {
        const auto message = all_messages(config.error());
        return std::exchange(errors_["configuration"], message) != message;
    }
    errors_.erase("configuration");
    config->name = started_with_.name;
    base_ = *std::move(config);
    watch();
    return true;
}

bool Inputs::refresh(bool force)
{
    // What is wrong is tried again at every look: a missing secret may appear in a file nobody watches yet.
    // What is well is left alone, or each look would publish anew.
    bool all = !files_.changed().empty() || force;
    const auto due = [&](const char* name) { return all || errors_.contains(name); };
    bool news = due("configuration") && refresh_config();
    all = all || (news && !errors_.contains("configuration")); // it may name other files now
    if (due("keys"))
        news |= refresh_part("keys", keys_,
                             [&] { return read_list(base_.keys_file, !keys_.empty(), parse_keys); });
    if (due("tokens"))
        news |= refresh_part("tokens", tokens_,
                             [&] { return read_list(base_.admin_tokens, !tokens_.empty(), parse_tokens); });
    if (due("safety rules"))
        news |= refresh_part("safety rules", rules_, [&] { return read_rules(base_.safety.rules); });
    return news;
}

std::string Inputs::error() const
{
    std::vector<std::string> list;
    for (const auto& [name, message] : errors_)
        list.push_back(fmt::format("{}: {}", name, message));
    return join(list, "; ");
}

std::vector<std::string> Inputs::warnings() const
{
    std::vector<std::string> list;
    std::set<fs::path> secrets(base_.secret_files.begin(), base_.secret_files.end());
    secrets.insert({base_.keys_file, base_.admin_tokens});
    for (const auto& path : secrets)
        if (!path.empty() && readable_by_everybody(path))
            list.push_back(fmt::format("{} can be read by everybody on this host", path.string()));
    const auto restart = [&](bool unchanged, std::string_view name) {
        if (!unchanged)
            list.push_back(fmt::format("the new value of {} takes effect at the next start", name));
    };
    restart(same(base_.listen.data, started_with_.listen.data), "listen.data");
    restart(same(base_.listen.admin, started_with_.listen.admin), "listen.admin");
    restart(base_.server.threads == started_with_.server.threads, "server.threads");
    restart(base_.control.path == started_with_.control.path, "control.path");
    restart(base_.records.path == started_with_.records.path, "records.path");
    return list;
}

} // namespace conduit::agent
