// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/lock.hpp"

#include "core/json.hpp"
#include "core/process.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace conduit::ops {
namespace {

constexpr std::size_t k_max_owner_bytes = 64U << 10U;

std::string file_stem(const LockKey& key)
{
    return percent_encode(key.target) + "+" + percent_encode(key.scope);
}

struct OwnerFile {
    LockInfo info;
    std::uint64_t fence = 0;
    std::uint64_t start_ticks = 0;
    bool alive() const { return info.owner.pid > 0 && process_start_ticks(info.owner.pid) == start_ticks; }
};

std::string to_text(const OwnerFile& file)
{
    const auto& o = file.info.owner;
    return dump_json(Json{{"target", file.info.key.target},
                          {"scope", file.info.key.scope},
                          {"operator", o.operator_name},
                          {"host", o.host},
                          {"pid", o.pid},
                          {"start_ticks", file.start_ticks},
                          {"reason", o.reason},
                          {"operation", o.operation},
                          {"since", format_time(o.since)},
                          {"until", format_time(o.until)},
                          {"fence", file.fence}},
                     2) +
           "\n";
}

std::optional<OwnerFile> read_owner(const fs::path& path)
{
    const auto text = read_file(path, k_max_owner_bytes);
    const auto document = text ? parse_json(*text) : Result<Json>(fail(ErrorKind::failed, ""));
    if (!document || !document->is_object())
        return std::nullopt;
    const auto since = parse_time(json_string_or(*document, "since", ""));
    const auto until = parse_time(json_string_or(*document, "until", ""));
    if (!since || !until)
        return std::nullopt;
    OwnerFile file;
    file.info.key = {json_string_or(*document, "target", ""), json_string_or(*document, "scope", "")};
    file.info.owner = {json_string_or(*document, "operator", ""),
                       json_string_or(*document, "host", ""),
                       static_cast<int>(std::clamp(json_number_or(*document, "pid", 0), 0.0, 1e9)),
                       json_string_or(*document, "reason", ""),
                       json_string_or(*document, "operation", ""),
                       *since,
                       *until};
    file.fence = static_cast<std::uint64_t>(std::clamp(json_number_or(*document, "fence", 0), 0.0, 1e15));
    file.start_ticks =
        static_cast<std::uint64_t>(std::clamp(json_number_or(*document, "start_ticks", 0), 0.0, 1e18));
    return file;
}

class HeldFlock final : public Lock {
  public:
    HeldFlock(FileLock lock, fs::path lock_path, fs::path owner_path, OwnerFile file)
        : lock_(std::move(lock)), lock_path_(std::move(lock_path)), owner_path_(std::move(owner_path)),
          file_(std::move(file))
    {
    }
    HeldFlock(const HeldFlock&) = delete;
    HeldFlock& operator=(const HeldFlock&) = delete;
    ~HeldFlock() override
    {
        // The owner file stays, marked as nobody's: it carries the fence on.
        if (!still_ours())
            return;
        file_.info.owner.pid = 0;
        [[maybe_unused]] const auto written = write_file(owner_path_, to_text(file_));
    }

    Result<> still_held(Duration /*needed*/) override
    {
        if (still_ours())
            return {};
        return fail(ErrorKind::locked, fmt::format("the lock on {} was lost", file_.info.key.text()),
                    "See who has it: conduitctl lock ls");
    }
    std::uint64_t fence() const override { return file_.fence; }

  private:
    // Somebody may have removed the file; a lock on a file without a name excludes nobody.
    bool still_ours() const
    {
        struct stat held{};
        struct stat named{};
        return ::fstat(lock_.fd(), &held) == 0 && ::stat(lock_path_.c_str(), &named) == 0 &&
               held.st_ino == named.st_ino && held.st_dev == named.st_dev;
    }

    FileLock lock_;
    fs::path lock_path_;
    fs::path owner_path_;
    OwnerFile file_;
};

// A holder writes the owner file just after it got the lock, so what is there may still be its predecessor's.
LockInfo wait_for_owner(const LockKey& key, const fs::path& owner_path)
{
    for (int i = 0; i < 50; ++i) {
        if (const auto owner = read_owner(owner_path); owner && owner->alive())
            return owner->info;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return {key, {}};
}

} // namespace

std::string LockKey::text() const
{
    return fmt::format("{} of {}", scope, target);
}

Result<std::unique_ptr<Lock>> FlockStore::acquire(const LockKey& key, const LockOwner& owner)
{
    const auto stem = file_stem(key);
    const auto lock_path = folder_ / (stem + ".lock");
    const auto owner_path = folder_ / (stem + ".owner");
    if (stem.size() > 240)
        return fail(ErrorKind::failed, fmt::format("the name of lock {} is too long", key.text()));
    auto lock = FileLock::try_lock(lock_path);
    if (!lock)
        return Error{ErrorKind::failed, lock.error().message, lock.error().hint};
    if (!*lock)
        return locked_error(wait_for_owner(key, owner_path));
    const auto previous = read_owner(owner_path);
    OwnerFile file{{key, owner}, previous ? previous->fence + 1 : 1, 0};
    file.info.owner.pid = ::getpid();
    file.info.owner.since = clock_.now();
    file.start_ticks = process_start_ticks(::getpid()).value_or(0);
    if (auto written = write_file(owner_path, to_text(file)); !written)
        return Error{ErrorKind::failed, written.error().message, written.error().hint};
    return std::unique_ptr<Lock>(
        std::make_unique<HeldFlock>(std::move(**lock), lock_path, owner_path, std::move(file)));
}

namespace {

// A folder that is not there holds no lock; one that cannot be read may.
Result<std::vector<OwnerFile>> read_owners(const fs::path& folder)
{
    std::vector<OwnerFile> owners;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (entry.path().extension() == ".owner")
            if (auto owner = read_owner(entry.path()))
                owners.push_back(*std::move(owner));
    if (error && error != std::errc::no_such_file_or_directory)
        return Error{ErrorKind::failed, fmt::format("cannot read the locks in {}", folder.string()),
                     fmt::format("Look at it: ls -ld {}", folder.string())}
            .with_cause(error.message());
    std::ranges::sort(owners, {}, [](const OwnerFile& file) { return file.info.owner.since; });
    return owners;
}

} // namespace

Result<std::vector<LockInfo>> FlockStore::list()
{
    TRY_ASSIGN(const auto owners, read_owners(folder_));
    std::vector<LockInfo> held;
    for (const auto& owner : owners)
        if (owner.alive())
            held.push_back(owner.info);
    return held;
}

Result<std::vector<LockKey>> FlockStore::known()
{
    TRY_ASSIGN(const auto owners, read_owners(folder_));
    std::vector<LockKey> keys;
    for (const auto& owner : owners)
        keys.push_back(owner.info.key);
    return keys;
}

// The kernel frees it with its process and knows no other way.
Result<bool> FlockStore::steal(const LockKey& key)
{
    TRY_ASSIGN(const auto held, list());
    for (const auto& info : held)
        if (info.key.text() == key.text())
            return Error{
                ErrorKind::refused,
                fmt::format("{} is held by the living process {} of {}; such a lock cannot be stolen",
                            key.text(), info.owner.pid, info.owner.operator_name)}
                .with_cause(info.owner.reason.empty()
                                ? ""
                                : fmt::format("reason given: {}", printable(info.owner.reason)))
                .with_hint(
                    fmt::format("It ends with its process: kill {}\nThen see what that left: conduitctl "
                                "history pending",
                                info.owner.pid));
    return false;
}

Error locked_error(const LockInfo& holder)
{
    const auto& o = holder.owner;
    Error error{ErrorKind::locked, fmt::format("{} is locked", holder.key.text())};
    if (!o.operation.empty() || !o.operator_name.empty()) {
        error.message += fmt::format(" by {} on {} (pid {}) since {} until {}", o.operator_name, o.host,
                                     o.pid, format_time_short(o.since), format_time_short(o.until));
        error.cause = o.reason.empty() ? "" : fmt::format("reason given: {}", printable(o.reason));
        error.details = {{"holder", o.operator_name},     {"host", o.host},
                         {"pid", std::to_string(o.pid)},  {"since", format_time(o.since)},
                         {"until", format_time(o.until)}, {"reason", o.reason},
                         {"held_for", o.operation}};
    }
    error.hint = "Wait until it is done, or look at it: conduitctl lock ls";
    return error;
}

} // namespace conduit::ops
