// SPDX-License-Identifier: Apache-2.0
#include "cli/app/module.hpp"

#include "core/fs.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <vector>

namespace conduit {

Result<std::unique_ptr<LoadedModule>> load_backend_module(const std::string& override_path)
{
    std::error_code ignored;
    const fs::path bin = fs::read_symlink("/proc/self/exe", ignored).parent_path();
    const std::vector<fs::path> places =
        override_path.empty()
            ? std::vector<fs::path>{bin / "../lib/conduit" / k_module_file, bin / "../lib" / k_module_file}
            : std::vector<fs::path>{override_path};
    std::string why;
    for (const fs::path& place : places) {
        if (!fs::exists(place, ignored))
            continue;
        void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (handle == nullptr) {
            why = dlerror(); // NOLINT(concurrency-mt-unsafe): glibc keeps it per thread
            continue;
        }
        using Entry = BackendModule* (*)(const char*);
        // POSIX promises that dlsym's answer can be called.
        const auto entry = reinterpret_cast<Entry>(dlsym(handle, k_module_entry)); // NOLINT
        BackendModule* backends = entry == nullptr ? nullptr : entry(CONDUIT_VERSION);
        if (backends != nullptr)
            return std::make_unique<LoadedModule>(backends);
        why = fmt::format("{} belongs to another version", place.string());
    }
    return std::unexpected(
        Error{ErrorKind::failed, fmt::format("cannot load {}", places.front().lexically_normal().string())}
            .with_cause(std::move(why))
            .with_hint("Install conduitctl again, or point CONDUIT_BACKENDS at the file."));
}

} // namespace conduit
