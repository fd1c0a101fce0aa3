// SPDX-License-Identifier: Apache-2.0
// The backups of a context: where they are kept, what they are of, and with which keys.
#pragma once

#include "cli/backup/codec.hpp"
#include "cli/backup/repository.hpp"
#include "cli/backup/retention.hpp"
#include "cli/backup/source.hpp"

#include <memory>
#include <string>
#include <vector>

namespace conduit {

class Backups {
  public:
    virtual ~Backups() = default;
    virtual std::string identity() const = 0; // the repository's address
    virtual std::string system() const = 0;
    virtual Result<backup::Repository*> repository() = 0;
    virtual std::vector<std::string> parts() const = 0; // as configured: "postgres", "folder:/var/lib/x"
    virtual Result<std::vector<std::unique_ptr<backup::Source>>>
    sources(const std::vector<std::string>& parts) = 0;
    virtual backup::Keys keys() const = 0;
    virtual backup::Retention retention() const = 0;
};

} // namespace conduit
