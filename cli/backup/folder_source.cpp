// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/source.hpp"
#include "cli/backup/tar_count.hpp"
#include "cli/backup/tools.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::backup {
namespace {

class Counting final : public ByteSink {
  public:
    Counting(ByteSink& next, TarCounter& counter) : next_(next), counter_(counter) {}
    Result<> write(std::string_view bytes) override
    {
        counter_.feed(bytes);
        return next_.write(bytes);
    }

  private:
    ByteSink& next_;
    TarCounter& counter_;
};

class FolderTar final : public Source {
  public:
    FolderTar(fs::path folder, const Cancel* stop) : folder_(std::move(folder)), stop_(stop) {}

    std::string name() const override { return "folder-" + folder_.filename().string(); }
    std::string kind() const override { return "tar"; }
    std::string extension() const override { return ".tar"; }
    std::string where() const override { return "folder " + folder_.string(); }

    Result<> produce(ByteSink& to, Deadline) override
    {
        std::error_code error;
        if (!fs::is_directory(folder_, error))
            return fail(
                ErrorKind::not_found, fmt::format("{} is no folder", folder_.string()),
                "Name one that is there: conduitctl context set backup.parts '[\"folder:/var/lib/x\"]'");
        TRY_ASSIGN(tool_, tool_version("tar"));
        Counting counting(to, counter_);
        const ChildSpec tar{.argv = {"tar", "--create", "--file=-", "--one-file-system", "--sort=name",
                                     "--numeric-owner", "--format=pax", "--directory=" + folder_.string(),
                                     "."},
                            .env = {},
                            .fed = false};
        TRY(output_of(tar, stop_)(counting));
        if (!counter_.count().ended)
            return fail(ErrorKind::failed, fmt::format("the archive of {} has no end", folder_.string()));
        return {};
    }

    void describe(Part& part) const override
    {
        part.invariants = Json{{"files", counter_.count().files}, {"bytes", counter_.count().bytes}};
        part.tools = {tool_};
    }

  private:
    const fs::path folder_;
    const Cancel* stop_;
    TarCounter counter_;
    std::string tool_;
};

} // namespace

std::unique_ptr<Source> tar_of_folder(fs::path folder, const Cancel* stop)
{
    return std::make_unique<FolderTar>(std::move(folder), stop);
}

} // namespace conduit::backup
