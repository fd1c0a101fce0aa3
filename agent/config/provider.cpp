// SPDX-License-Identifier: Apache-2.0
#include "agent/config/sections.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::agent {
namespace {

constexpr std::array<std::string_view, 3> k_kinds{"openai", "google", "aws"};
constexpr std::array<std::string_view, 5> k_services{"stt", "tts", "polly", "transcribe",
                                                     "transcribe_streaming"};

std::vector<std::string> operation_names()
{
    std::vector<std::string> names;
    for (const auto operation : k_operations)
        names.emplace_back(operation_name(operation));
    return names;
}

Result<Operation> read_operation(const YamlNode& place, const std::string& name)
{
    for (const auto operation : k_operations)
        if (operation_name(operation) == name)
            return operation;
    return place.error(unknown_name("operation", name, operation_names()));
}

// A map of free names to texts; `check` may refuse a pair.
template <class Check>
std::map<std::string, std::string> read_texts(Fields& fields, std::string_view key, Check check)
{
    std::map<std::string, std::string> out;
    const auto node = fields.take(key);
    if (node.is_null())
        return out;
    if (!node.is_map()) {
        fields.report(node.error(fmt::format("'{}' must be a map", key)));
        return out;
    }
    for (const auto& name : node.keys()) {
        const auto item = node.get(name);
        auto value = item.as_string();
        if (!value)
            fields.report(std::move(value).error());
        else if (auto checked = check(item, name, *value); !checked)
            fields.report(std::move(checked).error());
        else if (!out.emplace(name, *value).second)
            fields.report(item.error(fmt::format("'{}' is given twice", name)));
    }
    return out;
}

void read_endpoints(Fields& fields, ProviderConfig& provider)
{
    const auto check = [&](const YamlNode& node, const std::string& url) -> Result<> {
        if (auto fine = check_endpoint(url, provider.insecure); !fine)
            return node.error(fine.error().message, fine.error().hint);
        return {};
    };
    fields.text("endpoint", provider.endpoint);
    if (!provider.endpoint.empty())
        if (auto fine = check(fields.take("endpoint"), provider.endpoint); !fine)
            fields.report(std::move(fine).error());
    provider.regions =
        read_texts(fields, "regions",
                   [&](const YamlNode& node, const std::string& name, const std::string& url) -> Result<> {
                       if (!is_path_name(name))
                           return node.error(fmt::format("'{}' cannot be a region's name", printable(name)));
                       return check(node, url);
                   });
    provider.endpoints = read_texts(
        fields, "endpoints",
        [&](const YamlNode& node, const std::string& name, const std::string& url) -> Result<> {
            if (std::ranges::find(k_services, name) == k_services.end())
                return node.error(unknown_name(
                    "service", name, std::vector<std::string>(k_services.begin(), k_services.end())));
            return check(node, url);
        });
    fields.text("region", provider.region);
}

void read_operations(Fields& fields, ProviderConfig& provider)
{
    for (const auto& [name, model] :
         read_texts(fields, "models", [](const YamlNode& node, const auto& name, const auto&) -> Result<> {
             TRY(read_operation(node, name));
             return {};
         }))
        for (const auto operation : k_operations)
            if (operation_name(operation) == name)
                provider.models[operation] = model;
    const auto list = fields.take("operations");
    if (!list.is_null() && !list.is_list())
        fields.report(list.error("'operations' must be a list"));
    for (const auto& item : list.items()) {
        auto operation = read_operation(item, item.scalar());
        if (operation)
            provider.operations.insert(*operation);
        else
            fields.report(std::move(operation).error());
    }
    provider.voices =
        read_texts(fields, "voices", [](const auto&, const auto&, const auto&) { return Result<>{}; });
}

void read_price(Fields& parent, Price& price)
{
    Fields fields(parent.take("price"), "price", parent.context());
    fields.money("speech_per_1k_characters", price.speech_per_1k_characters);
    fields.money("transcription_per_minute", price.transcription_per_minute);
    fields.money("realtime_per_minute", price.realtime_per_minute);
    fields.money("chat_per_1k_tokens", price.chat_per_1k_tokens);
}

void read_secrets(Fields& fields, ProviderConfig& provider)
{
    fields.secret("key", provider.key);
    fields.secret("access_key", provider.access_key);
    fields.secret("secret_key", provider.secret_key);
    const auto need = [&](std::string_view key) {
        if (!fields.has(key))
            fields.report(fields.node().error(fmt::format("provider '{}' needs '{}'", provider.name, key),
                                              fmt::format("Add {}: \"file:PATH\" or \"env:NAME\".", key)));
    };
    if (provider.kind == ProviderKind::aws) {
        need("access_key");
        need("secret_key");
    } else if (provider.kind == ProviderKind::google || provider.endpoint.empty()) {
        need("key"); // an OpenAI-compatible server of one's own may do without
    }
}

void check_region(Fields& fields, const ProviderConfig& provider)
{
    if (provider.kind == ProviderKind::aws) {
        if (provider.region.empty())
            fields.report(fields.node().error(fmt::format("provider '{}' needs 'region'", provider.name),
                                              "Name the AWS region that requests are signed for."));
        return;
    }
    if (provider.region.empty() || provider.regions.contains(provider.region))
        return;
    std::vector<std::string> names;
    for (const auto& [name, url] : provider.regions)
        names.push_back(name);
    fields.report(fields.take("region").error(unknown_name("region", provider.region, names)));
}

ProviderConfig read_provider(const YamlNode& node, const std::string& name, FieldContext& context)
{
    ProviderConfig provider;
    provider.name = name;
    Fields fields(node, name, context);
    std::string kind;
    if (!fields.has("kind"))
        fields.report(
            node.error(fmt::format("provider '{}' needs 'kind'", name), "Add kind: openai, google or aws."));
    fields.choice("kind", kind, k_kinds);
    provider.kind = kind == "aws"      ? ProviderKind::aws
                    : kind == "google" ? ProviderKind::google
                                       : ProviderKind::openai;
    fields.flag("enabled", provider.enabled);
    std::uint32_t weight = 1;
    fields.count("weight", weight, 0, k_max_weight);
    provider.weight = static_cast<int>(weight);
    fields.flag("insecure", provider.insecure);
    read_endpoints(fields, provider);
    read_secrets(fields, provider);
    check_region(fields, provider);
    fields.duration("timeout", provider.timeout);
    fields.duration("first_byte_timeout", provider.first_byte_timeout);
    fields.duration("realtime_drain", provider.realtime_drain);
    fields.count("max_connections", provider.max_connections, 1, 100'000);
    fields.count("max_concurrent", provider.max_concurrent, 1, 1'000'000);
    read_operations(fields, provider);
    fields.flag("rewrite_model", provider.rewrite_model);
    fields.text("default_language", provider.default_language);
    read_price(fields, provider.price);
    fs::path ca_file;
    fields.path("ca_file", ca_file);
    provider.ca_file = ca_file.string();
    if (std::error_code ec; !ca_file.empty() && !fs::exists(ca_file, ec))
        fields.report(
            fields.take("ca_file").error(fmt::format("the file {} does not exist", ca_file.string())));
    return provider;
}

} // namespace

std::vector<ProviderConfig> read_providers(const YamlNode& node, FieldContext& context)
{
    std::vector<ProviderConfig> providers;
    if (!node.is_null() && !node.is_map()) {
        context.errors.push_back(node.error("'providers' must be a map of name to settings"));
        return providers;
    }
    const auto names = node.keys();
    const std::vector<std::string_view> known(names.begin(), names.end());
    for (auto& error : node.unknown_keys(known)) // every name is known: what is left are names given twice
        context.errors.push_back(std::move(error));
    for (const auto& name : names) {
        const auto item = node.get(name);
        if (!is_path_name(name))
            context.errors.push_back(
                item.error(fmt::format("'{}' cannot be a provider's name", printable(name)),
                           "Use letters, digits and ._-"));
        else if (std::ranges::find(providers, name, &ProviderConfig::name) == providers.end())
            providers.push_back(read_provider(item, name, context));
    }
    if (providers.size() > k_max_providers)
        context.errors.push_back(node.error(
            fmt::format("{} providers, at most {} are possible", providers.size(), k_max_providers)));
    return providers;
}

} // namespace conduit::agent
