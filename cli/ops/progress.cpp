// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/progress.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

namespace conduit::ops {
namespace {

constexpr std::size_t k_what_width = 16;
constexpr std::size_t k_detail_width = 46;

std::string padded(std::string_view text, std::size_t width)
{
    std::string out(text);
    std::size_t shown = 0; // UTF-8: continuation bytes take no column
    for (const char c : text)
        shown += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1U : 0U;
    if (shown < width)
        out.append(width - shown, ' ');
    return out;
}

std::string_view sign(Progress::Mark mark)
{
    switch (mark) {
    case Progress::Mark::done:
        return "✓";
    case Progress::Mark::failed:
        return "✗";
    case Progress::Mark::note:
        break;
    }
    return "·";
}

} // namespace

LineProgress::~LineProgress()
{
    clear_wait();
}

void LineProgress::clear_wait()
{
    if (redraw_ && !wait_.empty())
        sink_("\r\x1b[K");
    wait_.clear();
}

void LineProgress::show(std::string_view text)
{
    clear_wait();
    sink_(text);
    if (!text.ends_with('\n'))
        sink_("\n");
}

void LineProgress::tick(Mark mark, std::string_view what, std::string_view detail, Duration took)
{
    clear_wait();
    auto line = fmt::format("{} {}", sign(mark), padded(printable(what), k_what_width));
    if (took > Duration{0})
        line += fmt::format(" {} {}", padded(printable(detail), k_detail_width), human_duration(took));
    else if (!detail.empty())
        line += fmt::format(" {}", printable(detail));
    sink_(fmt::format("{}\n", trim(line)));
}

void LineProgress::waiting(std::string_view what, std::string_view detail)
{
    const auto line = fmt::format("… {} {}", padded(printable(what), k_what_width), printable(detail));
    if (line == wait_)
        return;
    if (redraw_)
        sink_(fmt::format("\r\x1b[K{}", line));
    else
        sink_(fmt::format("{}\n", line));
    wait_ = line;
}

} // namespace conduit::ops
