// SPDX-License-Identifier: Apache-2.0
#include "core/clock.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <fmt/format.h>
#include <thread>

namespace conduit {
namespace {

class SystemClock final : public Clock {
  public:
    WallTime now() const override
    {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    }
    SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
    void sleep(Duration duration) override { std::this_thread::sleep_for(duration); }
};

std::tm to_tm(WallTime time)
{
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    const std::time_t t = seconds;
    std::tm tm{};
    ::gmtime_r(&t, &tm);
    return tm;
}

bool take_int(std::string_view& text, std::size_t digits, char after, int& value)
{
    if (text.size() < digits)
        return false;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + digits, value);
    if (ec != std::errc{} || end != text.data() + digits)
        return false;
    text.remove_prefix(digits);
    if (after != '\0') {
        if (text.empty() || text.front() != after)
            return false;
        text.remove_prefix(1);
    }
    return true;
}

} // namespace

Clock& system_clock()
{
    static SystemClock clock;
    return clock;
}

std::string format_time(WallTime time)
{
    const auto tm = to_tm(time);
    auto ms = time.time_since_epoch().count() % 1000;
    if (ms < 0)
        ms += 1000;
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1,
                       tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
}

std::string format_time_short(WallTime time)
{
    const auto tm = to_tm(time);
    return fmt::format("{:02}:{:02}:{:02} UTC", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

Result<WallTime> parse_time(std::string_view text)
{
    const auto bad = [&] {
        return fail(ErrorKind::usage, fmt::format("'{}' is not a time", text),
                    "Write it in UTC as 2026-11-22T14:04:11Z.");
    };
    auto rest = text;
    int year = 0;
    int month = 0;
    int day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    if (!take_int(rest, 4, '-', year) || !take_int(rest, 2, '-', month) || !take_int(rest, 2, 'T', day) ||
        !take_int(rest, 2, ':', hour) || !take_int(rest, 2, ':', minute) || !take_int(rest, 2, '\0', second))
        return bad();
    int ms = 0;
    if (rest.starts_with('.')) {
        rest.remove_prefix(1);
        int scale = 100;
        while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
            ms += (rest.front() - '0') * scale;
            scale /= 10;
            rest.remove_prefix(1);
        }
    }
    using namespace std::chrono;
    const year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                              std::chrono::day{static_cast<unsigned>(day)}};
    if (rest != "Z" || !date.ok() || hour > 23 || minute > 59 || second > 60)
        return bad();
    return WallTime{sys_days{date}.time_since_epoch() + hours{hour} + minutes{minute} + seconds{second} +
                    milliseconds{ms}};
}

Deadline Deadline::never()
{
    return Deadline{SteadyTime::max()};
}

Duration Deadline::left() const
{
    const auto now = std::chrono::steady_clock::now();
    return at_ <= now ? Duration{0} : std::chrono::ceil<Duration>(at_ - now);
}

Deadline Deadline::sooner(Duration from_now) const
{
    return Deadline{std::min(at_, std::chrono::steady_clock::now() + from_now)};
}

} // namespace conduit
