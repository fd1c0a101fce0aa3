// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/repository.hpp"

#include <fmt/format.h>

namespace conduit::backup {
namespace {

constexpr std::size_t k_small = 4U << 20U;

class Small final : public ByteSink {
  public:
    explicit Small(const std::string& path) : path_(path) {}
    Result<> write(std::string_view bytes) override
    {
        if (text.size() + bytes.size() > k_small)
            return fail(ErrorKind::breached, fmt::format("{} is larger than any such file", path_));
        text += bytes;
        return {};
    }
    std::string text;

  private:
    const std::string& path_;
};

} // namespace

Result<std::string> Repository::read_small(const std::string& path)
{
    Small small(path);
    TRY(read(path, small));
    return std::move(small.text);
}

Result<> Repository::write_small(const std::string& path, std::string_view content)
{
    TRY_ASSIGN(const auto upload, create(path));
    TRY(upload->write(content));
    return upload->finish();
}

} // namespace conduit::backup
