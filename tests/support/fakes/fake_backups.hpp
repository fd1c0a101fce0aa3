// SPDX-License-Identifier: Apache-2.0
// Backups of one folder in a repository that is real and can be broken.
#pragma once

#include "cli/backup/backups.hpp"
#include "core/cancel.hpp"

#include <functional>
#include <optional>

namespace conduit::test {

class FakeBackups final : public Backups {
  public:
    // Asked before each call of the repository ("list", "read", "create", "remove") with its path.
    std::function<std::optional<Error>(const std::string& call, const std::string& path)> before;
    std::vector<std::string> configured;
    backup::Retention kept{.daily = 1, .weekly = 0, .monthly = 0};

    FakeBackups(fs::path folder, const Cancel& stop)
        : folder_(std::move(folder)), stop_(stop),
          repository_(*this, backup::open_folder(folder_ / "repository"))
    {
        configured = {"folder:" + (folder_ / "data").string()};
    }

    std::string identity() const override { return "s3://backups/prod"; }
    std::string system() const override { return "audio"; }
    Result<backup::Repository*> repository() override { return &repository_; }
    std::vector<std::string> parts() const override { return configured; }
    backup::Keys keys() const override { return {}; }
    backup::Retention retention() const override { return kept; }
    Result<std::vector<std::unique_ptr<backup::Source>>>
    sources(const std::vector<std::string>& parts) override
    {
        std::vector<std::unique_ptr<backup::Source>> sources;
        for (const auto& part : parts)
            sources.push_back(backup::tar_of_folder(part.substr(part.find(':') + 1), &stop_));
        return sources;
    }

  private:
    class Broken final : public backup::Repository {
      public:
        Broken(FakeBackups& owner, std::unique_ptr<backup::Repository> real)
            : owner_(owner), real_(std::move(real))
        {
        }
        std::string name() const override { return owner_.identity(); }
        Result<std::unique_ptr<backup::Upload>> create(const std::string& path) override
        {
            TRY(ask("create", path));
            return real_->create(path);
        }
        Result<> read(const std::string& path, ByteSink& to) override
        {
            TRY(ask("read", path));
            return real_->read(path, to);
        }
        Result<std::vector<backup::StoredFile>> list(const std::string& folder) override
        {
            TRY(ask("list", folder));
            return real_->list(folder);
        }
        Result<> remove(const std::string& path) override
        {
            TRY(ask("remove", path));
            return real_->remove(path);
        }

      private:
        Result<> ask(const std::string& call, const std::string& path)
        {
            if (owner_.stop_.requested())
                return fail(ErrorKind::interrupted, "interrupted");
            if (owner_.before)
                if (auto error = owner_.before(call, path))
                    return *std::move(error);
            return {};
        }
        FakeBackups& owner_;
        std::unique_ptr<backup::Repository> real_;
    };

    const fs::path folder_;
    const Cancel& stop_;
    Broken repository_;
};

} // namespace conduit::test
