// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/codec.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

namespace conduit::backup {
namespace {

std::string path_of(const std::string& backup, const Part& part)
{
    return backup + "/" + part.file;
}

Error damaged(const std::string& backup, const Part& part, std::string_view why)
{
    return {ErrorKind::breached, fmt::format("part {} of backup {} {}", part.name, backup, why),
            "Do not restore from it; see the others: conduitctl backup ls"};
}

class Stopping final : public ByteSink { // a reading of ours that ends when it is asked to
  public:
    Stopping(ByteSink& next, const Cancel* stop) : next_(next), stop_(stop) {}
    Result<> write(std::string_view bytes) override
    {
        if (stop_ != nullptr && stop_->requested())
            return fail(ErrorKind::interrupted, "interrupted");
        return next_.write(bytes);
    }

  private:
    ByteSink& next_;
    const Cancel* stop_;
};

// A fault of the data is the backup's; one of the way there (no network, a stop) is not.
Error blame(const std::string& backup, const Part& part, Error error)
{
    if (error.kind == ErrorKind::not_found && error.message.find("cannot run") == std::string::npos)
        return damaged(backup, part, fmt::format("is gone: its file {} is missing", part.file));
    if (error.kind != ErrorKind::failed || error.message.find("ended with") == std::string::npos)
        return error;
    return damaged(backup, part, fmt::format("cannot be decoded: {}", error.message))
        .with_cause(std::move(error.cause));
}

Result<> compare(const std::string& backup, const Part& part, std::string_view what, const Passed& passed,
                 std::uint64_t bytes, const std::string& sha256)
{
    if (passed.bytes != bytes)
        return damaged(backup, part,
                       fmt::format("has {} {} bytes, {} were written", passed.bytes, what, bytes));
    if (passed.sha256 != sha256)
        return damaged(backup, part,
                       fmt::format("is not as it was written: its {} bytes have another SHA-256", what));
    return {};
}

} // namespace

std::string stored_name(std::string_view plain_name, const Keys& keys)
{
    return fmt::format("{}.zst{}", plain_name, keys.recipients.empty() ? "" : ".age");
}

Result<> store_part(Repository& repository, const std::string& backup, const Keys& keys, const Produce& plain,
                    Part& part, const Cancel* stop)
{
    std::vector<ChildSpec> programs{{.argv = {"zstd", "-q", "-c", "-T0"}, .env = {}}};
    if (!keys.recipients.empty()) {
        ChildSpec age{.argv = {"age", "--encrypt"}, .env = {}};
        for (const auto& recipient : keys.recipients) {
            age.argv.emplace_back("-r");
            age.argv.push_back(recipient);
        }
        programs.push_back(std::move(age));
    }
    TRY_ASSIGN(const auto upload, repository.create(path_of(backup, part)));
    TRY_ASSIGN(const auto passed, run_chain(plain, programs, *upload, stop));
    TRY(upload->finish());
    const auto& stored = passed.back();
    part.encrypted = !keys.recipients.empty();
    part.sizes = {passed[0].bytes, passed[1].bytes, stored.bytes};
    part.sha256 = {passed[0].sha256, passed[1].sha256, stored.sha256};
    return {};
}

Result<> load_part(Repository& repository, const std::string& backup, const Keys& keys, const Part& part,
                   ByteSink& to, const Cancel* stop)
{
    std::vector<ChildSpec> programs;
    if (part.encrypted) {
        if (keys.identity.empty())
            return fail(
                ErrorKind::auth,
                fmt::format("part {} of backup {} is encrypted and this host has no identity", part.name,
                            backup),
                "Name its file: conduitctl context set backup.identity FILE; without it a backup can be "
                "proved to L1.");
        programs.push_back({.argv = {"age", "--decrypt", "-i", keys.identity.string()}, .env = {}});
    }
    programs.push_back({.argv = {"zstd", "-q", "-d", "-c"}, .env = {}});
    const auto stored = [&](ByteSink& into) -> Result<> {
        Stopping stopping(into, stop);
        return repository.read(path_of(backup, part), stopping);
    };
    auto passed = run_chain(stored, programs, to, stop);
    if (!passed)
        return blame(backup, part, std::move(passed).error());
    TRY(compare(backup, part, "stored", (*passed)[0], part.sizes.stored, part.sha256.stored));
    if (part.encrypted)
        TRY(compare(backup, part, "compressed", (*passed)[1], part.sizes.compressed, part.sha256.compressed));
    return compare(backup, part, "plain", passed->back(), part.sizes.plain, part.sha256.plain);
}

Result<> check_stored(Repository& repository, const std::string& backup, const Part& part, const Cancel* stop)
{
    CountingSink count;
    Stopping stopping(count, stop);
    auto read = repository.read(path_of(backup, part), stopping);
    if (!read)
        return blame(backup, part, std::move(read).error());
    return compare(backup, part, "stored", count.passed(), part.sizes.stored, part.sha256.stored);
}

} // namespace conduit::backup
