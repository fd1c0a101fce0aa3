// SPDX-License-Identifier: Apache-2.0
#include "agent/config/sections.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_sentinels = 16;
constexpr std::uint16_t k_sentinel_port = 26'379;

void read_url(Fields& fields, redis::Settings& out)
{
    std::string url, address;
    fields.text("url", url);
    fields.text("address", address);
    if (!url.empty()) {
        if (auto parsed = redis::parse_url(url)) {
            out = *std::move(parsed);
        } else {
            fields.report(fields.take("url").error(parsed.error().message, parsed.error().hint));
            out.address.text = "-";
        }
    }
    if (!address.empty()) {
        if (auto parsed = redis::parse_address(address)) {
            out.address = *std::move(parsed);
        } else {
            fields.report(fields.take("address").error(parsed.error().message, parsed.error().hint));
            out.address.text = "-";
        }
    }
    if (!url.empty() && !address.empty())
        fields.report(
            fields.take("address").error("'url' and 'address' both name the server", "Keep one of them."));
}

void read_sentinels(Fields& fields, redis::Settings& out)
{
    const auto list = fields.take("sentinels");
    fields.text("master", out.master);
    fields.text("sentinel_username", out.sentinel_identity.username);
    fields.secret("sentinel_password_ref", out.sentinel_identity.password);
    if (!list.exists())
        return;
    const auto items = list.items();
    if (items.empty() || items.size() > k_max_sentinels)
        fields.report(
            list.error(fmt::format("'sentinels' must be a list of 1 to {} addresses", k_max_sentinels)));
    for (const auto& item : items) {
        const auto text = item.as_string();
        auto parsed =
            text ? redis::parse_address(*text, k_sentinel_port) : Result<redis::Address>(text.error());
        if (parsed)
            out.sentinels.push_back(*std::move(parsed));
        else
            fields.report(item.error(parsed.error().message, parsed.error().hint));
    }
    if (out.master.empty())
        fields.report(
            list.error("'sentinels' needs 'master'", "Add master: NAME, as the sentinels call it."));
    if (!out.address.text.empty())
        fields.report(list.error("both a server and sentinels are named",
                                 "Keep sentinels: and master:, or the address of one server."));
}

void read_tls(Fields& parent, redis::Tls& out)
{
    const auto node = parent.take("tls");
    if (!node.exists())
        return;
    out.on = true;
    Fields fields(node, "tls", parent.context());
    fields.flag("enabled", out.on);
    fields.path("ca", out.ca);
    fields.path("certificate", out.certificate);
    fields.path("key", out.key);
    fields.text("server_name", out.server_name);
    fields.flag("verify", out.verify);
    if (out.certificate.empty() != out.key.empty())
        fields.report(
            node.error("'certificate' and 'key' belong together", "Add the other of the two, both PEM."));
}

} // namespace

RedisConfig read_redis(const YamlNode& node, FieldContext& context)
{
    RedisConfig out;
    if (!node.exists() || node.is_null())
        return out;
    out.on = true;
    Fields fields(node, "redis", context);
    auto& settings = out.settings;
    read_url(fields, settings);
    read_sentinels(fields, settings);
    read_tls(fields, settings.tls);
    fields.text("username", settings.identity.username);
    fields.secret("password_ref", settings.identity.password);
    std::uint32_t database = settings.database;
    fields.count("database", database, 0, 1'000'000);
    settings.database = database;
    fields.duration("connect_timeout", settings.connect_timeout);
    fields.duration("deadline", out.deadline);
    if (settings.address.text.empty() && settings.sentinels.empty() && !fields.has("sentinels"))
        fields.report(node.error("no server is named", "Add address: HOST:6379, or sentinels: and master:."));
    for (const auto* identity : {&settings.identity, &settings.sentinel_identity})
        if (!identity->username.empty() && identity->password.empty())
            fields.report(
                node.error("a user without a password", "Add password_ref: file:PATH or env:NAME."));
    return out;
}

} // namespace conduit::agent
