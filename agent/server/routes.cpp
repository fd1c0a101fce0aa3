// SPDX-License-Identifier: Apache-2.0
#include "agent/server/routes.hpp"

#include <array>

namespace conduit::agent {

namespace {

struct Entry {
    std::string_view path, method;
    Route::Kind kind;
    Operation operation = Operation::transcription;
};

constexpr std::array k_routes{
    Entry{"/v1/audio/transcriptions", "POST", Route::Kind::model, Operation::transcription},
    Entry{"/v1/audio/translations", "POST", Route::Kind::model, Operation::translation},
    Entry{"/v1/audio/speech", "POST", Route::Kind::model, Operation::speech},
    Entry{"/v1/chat/completions", "POST", Route::Kind::model, Operation::chat},
    Entry{"/v1/audio/conversations", "POST", Route::Kind::conversation, Operation::chat},
    Entry{"/v1/realtime", "GET", Route::Kind::realtime, Operation::realtime},
    Entry{"/v1/models", "GET", Route::Kind::models},
    Entry{"/v1/audio/voices", "GET", Route::Kind::voices},
    Entry{"/metrics", "GET", Route::Kind::admin},
    Entry{"/health", "GET", Route::Kind::admin},
};

} // namespace

Route find_route(std::string_view method, std::string_view target)
{
    const std::string_view path = target.substr(0, target.find('?'));
    for (const Entry& entry : k_routes) {
        const bool under = entry.path == "/health" && path.starts_with("/health/");
        if (path != entry.path && !under)
            continue;
        const bool head = method == "HEAD" && entry.kind == Route::Kind::admin;
        if (method != entry.method && !head)
            return {Route::Kind::wrong_method, entry.operation, entry.method};
        return {entry.kind, entry.operation, entry.method};
    }
    return {};
}

} // namespace conduit::agent
