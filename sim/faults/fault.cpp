// SPDX-License-Identifier: Apache-2.0
#include "sim/faults/fault.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <span>

namespace conduit::sim {
namespace {

constexpr double k_max_ms = 3600000;
constexpr double k_max_count = 1e15;

Error wrong(std::string_view key, std::string_view expected)
{
    return Error{ErrorKind::usage, fmt::format("{} must be {}", key, expected),
                 "GET /providers/NAME/fault shows what is set; null resets a member."};
}

// One member of the fault: how JSON sets it, how it shows.
struct Member {
    std::string_view name;
    Result<> (*set)(Fault&, const Json&, std::string_view name);
    Json (*get)(const Fault&); // null: as without a fault
};

template <auto field> Result<> set_flag(Fault& fault, const Json& value, std::string_view name)
{
    if (!value.is_boolean())
        return wrong(name, "true or false");
    fault.*field = value.get<bool>();
    return {};
}

template <auto field> Json get_flag(const Fault& fault)
{
    return fault.*field ? Json(true) : Json(nullptr);
}

Result<double> number(const Json& value, std::string_view name, double least, double most)
{
    if (!value.is_number() || value.get<double>() < least || value.get<double>() > most)
        return wrong(name, fmt::format("a number from {} to {}", least, most));
    return value.get<double>();
}

template <auto field> Result<> set_ms(Fault& fault, const Json& value, std::string_view name)
{
    TRY_ASSIGN(const auto ms, number(value, name, 0, k_max_ms));
    fault.*field = Duration{std::llround(ms)};
    return {};
}

template <auto field> Json get_ms(const Fault& fault)
{
    return (fault.*field).count() == 0 ? Json(nullptr) : Json((fault.*field).count());
}

template <auto field> Result<> set_count(Fault& fault, const Json& value, std::string_view name)
{
    TRY_ASSIGN(const auto count, number(value, name, 0, k_max_count));
    fault.*field = static_cast<std::uint64_t>(count);
    return {};
}

template <auto field> Json get_count(const Fault& fault)
{
    return fault.*field == 0 ? Json(nullptr) : Json(fault.*field);
}

Result<> set_rate(Fault& fault, const Json& value, std::string_view name)
{
    TRY_ASSIGN(fault.error_rate, number(value, name, 0, 1));
    return {};
}

Result<> set_status(Fault& fault, const Json& value, std::string_view name)
{
    TRY_ASSIGN(const auto status, number(value, name, 400, 599));
    fault.status = static_cast<int>(status);
    return {};
}

Result<> set_retry_after(Fault& fault, const Json& value, std::string_view name)
{
    TRY_ASSIGN(const auto seconds, number(value, name, 0, 86400));
    fault.retry_after_s = static_cast<int>(seconds);
    return {};
}

Result<> set_cut(Fault& fault, const Json& value, std::string_view name)
{
    TRY_ASSIGN(const auto bytes, number(value, name, 0, k_max_count));
    fault.cut_after_bytes = static_cast<std::uint64_t>(bytes);
    return {};
}

Result<> set_reset(Fault& fault, const Json& value, std::string_view name)
{
    if (value.is_boolean())
        fault.reset = value.get<bool>() ? ResetAt::request : ResetAt::never;
    else if (value == "accept")
        fault.reset = ResetAt::accept;
    else if (value == "request")
        fault.reset = ResetAt::request;
    else
        return wrong(name, "true, false, \"accept\" or \"request\"");
    return {};
}

Json get_reset(const Fault& fault)
{
    if (fault.reset == ResetAt::never)
        return nullptr;
    return fault.reset == ResetAt::accept ? "accept" : "request";
}

Result<> set_close_code(Fault& fault, const Json& value, std::string_view name)
{
    TRY_ASSIGN(const auto code, number(value, name, 1000, 4999));
    if (!fault.ws_close)
        fault.ws_close.emplace();
    fault.ws_close->code = static_cast<std::uint16_t>(code);
    return {};
}

Result<> set_close_reason(Fault& fault, const Json& value, std::string_view name)
{
    if (!value.is_string() || value.get_ref<const std::string&>().size() > 123)
        return wrong(name, "a text of at most 123 bytes");
    if (!fault.ws_close)
        fault.ws_close.emplace();
    fault.ws_close->reason = value.get<std::string>();
    return {};
}

Result<> set_expires(Fault& fault, const Json& value, std::string_view name)
{
    TRY_ASSIGN(const auto seconds, number(value, name, 0, k_max_ms / 1000 * 24));
    fault.expires = Duration{std::llround(seconds * 1000)};
    return {};
}

std::span<const Member> members()
{
    static constexpr std::array<Member, 20> k_members = {{
        {"latency_ms", set_ms<&Fault::latency>, get_ms<&Fault::latency>},
        {"first_byte_ms", set_ms<&Fault::first_byte>, get_ms<&Fault::first_byte>},
        {"bytes_per_second", set_count<&Fault::bytes_per_second>, get_count<&Fault::bytes_per_second>},
        {"error_rate", set_rate,
         [](const Fault& f) { return f.error_rate > 0 ? Json(f.error_rate) : Json(nullptr); }},
        {"status", set_status, [](const Fault& f) { return f.status != 0 ? Json(f.status) : Json(nullptr); }},
        {"fail_next", set_count<&Fault::fail_next>, get_count<&Fault::fail_next>},
        {"throttle", set_flag<&Fault::throttle>, get_flag<&Fault::throttle>},
        {"retry_after_s", set_retry_after,
         [](const Fault& f) { return f.retry_after_s >= 0 ? Json(f.retry_after_s) : Json(nullptr); }},
        {"quota_exhausted", set_flag<&Fault::quota_exhausted>, get_flag<&Fault::quota_exhausted>},
        {"bad_credentials", set_flag<&Fault::bad_credentials>, get_flag<&Fault::bad_credentials>},
        {"garbage", set_flag<&Fault::garbage>, get_flag<&Fault::garbage>},
        {"html_502", set_flag<&Fault::html_502>, get_flag<&Fault::html_502>},
        {"hang", set_flag<&Fault::hang>, get_flag<&Fault::hang>},
        {"cut_after_bytes", set_cut,
         [](const Fault& f) { return f.cut_after_bytes ? Json(*f.cut_after_bytes) : Json(nullptr); }},
        {"reset", set_reset, get_reset},
        {"down", set_flag<&Fault::down>, get_flag<&Fault::down>},
        {"ws_close_code", set_close_code,
         [](const Fault& f) { return f.ws_close ? Json(f.ws_close->code) : Json(nullptr); }},
        {"ws_close_reason", set_close_reason,
         [](const Fault& f) {
             return f.ws_close && !f.ws_close->reason.empty() ? Json(f.ws_close->reason) : Json(nullptr);
         }},
        {"ws_close_after", set_count<&Fault::ws_close_after>, get_count<&Fault::ws_close_after>},
        {"expires_in_s", set_expires,
         [](const Fault& f) {
             return f.expires.count() > 0 ? Json(static_cast<double>(f.expires.count()) / 1000)
                                          : Json(nullptr);
         }},
    }};
    return k_members;
}

// Sets every member that `from` shows, but for one.
Result<Fault> without(const Fault& from, std::string_view name)
{
    Fault out;
    for (const auto& member : members()) {
        const auto value = member.get(from);
        if (member.name != name && !value.is_null())
            TRY(member.set(out, value, member.name));
    }
    return out;
}

} // namespace

bool Fault::any() const
{
    return !fault_json(*this).empty();
}

Result<Fault> patch_fault(const Fault& before, const Json& patch)
{
    if (!patch.is_object())
        return fail(ErrorKind::usage, "a fault is a JSON object",
                    R"(Send for example {"error_rate": 0.3, "expires_in_s": 60}.)");
    Fault after = before;
    for (const auto& [key, value] : patch.items()) {
        const auto all = members();
        const auto member = std::ranges::find(all, key, &Member::name);
        if (member == all.end()) {
            std::vector<std::string> names;
            for (const auto& one : all)
                names.emplace_back(one.name);
            return fail(ErrorKind::usage, unknown_name("fault", key, names),
                        "GET /providers/NAME/fault shows what is set.");
        }
        if (value.is_null()) {
            TRY_ASSIGN(after, without(after, key));
        } else {
            TRY(member->set(after, value, key));
        }
    }
    return after;
}

Json fault_json(const Fault& fault)
{
    Json out = Json::object();
    for (const auto& member : members()) {
        auto value = member.get(fault);
        if (!value.is_null())
            out[std::string(member.name)] = std::move(value);
    }
    return out;
}

} // namespace conduit::sim
