// SPDX-License-Identifier: Apache-2.0
// Live candidates: served from a file, refreshed by a detached process, so that a TAB never waits for a dead
// backend.
#include "cli/app/complete.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

namespace conduit {
namespace {

constexpr auto k_fresh = 5s;           // younger: nobody is asked
constexpr auto k_usable = 24h;         // older: as good as none
constexpr auto k_longest_wait = 200ms; // of the 250 ms a cold TAB may take
constexpr auto k_poll = 5ms;
constexpr auto k_fetch_limit = 5s;
constexpr std::size_t k_most_candidates = 1000;
constexpr std::size_t k_largest_cache = 1U << 20U;

struct Cached {
    std::vector<Candidate> candidates;
    std::chrono::seconds age{};
};

fs::path cache_file(App& app, const Completer& completer, std::span<const std::string> words)
{
    const auto line = completer.by_words ? "--" + sha256_hex(join(words, "\n")).substr(0, 16) : "";
    const auto context = app.context();
    const std::string name = context ? (*context)->name : "none";
    return app.paths().cache_dir / "complete" /
           fmt::format("{}--{}--{}{}", percent_encode(name), percent_encode(app.global().name_space),
                       percent_encode(completer.key), line);
}

std::optional<Cached> read_cache(const fs::path& file)
{
    struct stat info{};
    if (stat(file.c_str(), &info) != 0)
        return std::nullopt;
    const auto text = read_file(file, k_largest_cache);
    if (!text)
        return std::nullopt;
    Cached cached;
    // The file's own time, so real time, whatever clock the program runs on.
    cached.age = std::chrono::seconds(std::max<std::int64_t>(time(nullptr) - info.st_mtime, 0));
    for (const std::string& line : split(*text, '\n')) {
        const auto tab = line.find('\t');
        if (!line.empty())
            cached.candidates.push_back(
                {line.substr(0, tab), tab == std::string::npos ? std::string{} : line.substr(tab + 1)});
    }
    return cached;
}

void start_refresh(App& app, const Completer& completer, std::span<const std::string> line)
{
    if (!app.spawn_self)
        return;
    std::vector<std::string> words{"__refresh", std::string(completer.key)};
    const GlobalOptions& global = app.global();
    words.push_back(global.context);
    words.push_back(global.name_space);
    words.push_back(global.config);
    if (completer.by_words)
        words.insert(words.end(), line.begin(), line.end());
    app.spawn_self(words);
}

const Completer* find_completer(const Flags& flags, std::string_view key)
{
    for (const Flag& flag : flags.all())
        if (flag.completer.live && flag.completer.fetch != nullptr && flag.completer.key == key)
            return &flag.completer;
    return nullptr;
}

} // namespace

std::vector<Candidate> live_candidates(App& app, const Completer& completer,
                                       std::span<const std::string> words)
{
    const fs::path file = cache_file(app, completer, words);
    const auto cached = read_cache(file);
    if (cached && cached->age < k_usable) {
        if (cached->age >= k_fresh)
            start_refresh(app, completer, words);
        return cached->candidates;
    }
    start_refresh(app, completer, words);
    if (!app.spawn_self)
        return {};
    const Deadline deadline(k_longest_wait);
    while (!deadline.passed()) {
        if (const auto now = read_cache(file); now && now->age < k_usable)
            return now->candidates;
        app.clock().sleep(k_poll);
    }
    return {};
}

namespace {

void refresh(App& app, const Completer& completer, std::span<const std::string> words)
{
    const fs::path file = cache_file(app, completer, words);
    if (!make_dirs(file.parent_path()))
        return;
    // One refresher at a time: a second TAB must not ask the backend twice.
    const auto lock = FileLock::try_lock(file.string() + ".lock");
    if (!lock || !lock->has_value())
        return;
    GlobalOptions global = app.global();
    global.timeout = k_fetch_limit;
    app.set_global(global);
    auto candidates = completer.fetch(app, words);
    std::string text;
    // A backend that does not answer leaves an empty list, which keeps the next TABs from waiting again.
    if (!candidates) {
        if (const auto old = read_cache(file); old && old->age < k_usable && !old->candidates.empty())
            return;
        candidates = std::vector<Candidate>{};
    }
    for (std::size_t i = 0; i < std::min(candidates->size(), k_most_candidates); ++i)
        text += fmt::format("{}\t{}\n", printable((*candidates)[i].value),
                            printable((*candidates)[i].description));
    (void)write_file(file, text).has_value();
}

} // namespace

void refresh_candidates(App& app, std::string_view key, std::span<const std::string> words)
{
    for (const Noun& noun : app.registry())
        for (const Verb& verb : noun.verbs) {
            const auto bound = verb.bind();
            if (const Completer* completer = find_completer(bound->flags(), key))
                return refresh(app, *completer, words);
        }
}

} // namespace conduit
