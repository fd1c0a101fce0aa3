// SPDX-License-Identifier: Apache-2.0
// The parts of PostgresTarget. Internal to it.
#pragma once

#include "cli/backend/database.hpp"
#include "cli/ops/target.hpp"
#include "core/cancel.hpp"

namespace conduit::ops::pg {

struct Server {
    Database& database;
    Clock& clock;
    const Cancel* cancel;
};

// Asks `look` until it says true, with a pause between; unverified with its last line at the deadline.
Result<> wait_until(const Server& server, Deadline deadline,
                    const std::function<Result<bool>(std::string& line)>& look);

// Every action may be repeated: it does what is still to be done.
struct Action {
    std::string_view name;
    Result<Applied> (*apply)(const Server& server, const WriteContext& context, const Step& step);
    // nullopt: there is something left to do, or nobody can tell.
    Result<std::optional<Applied>> (*find)(const Server& server, const Step& step, Deadline deadline);
    Result<> (*verify)(const Server& server, const Step& step, const Applied& applied, Deadline deadline,
                       Progress& progress);
};
extern const Action k_end_sessions; // {"sessions": [...], "older_ms", "in_transaction"}
extern const Action k_vacuum;       // {"tables": [{"schema", "name", "oid"}], "analyze", "vacuum"}
extern const Action k_reindex;      // {"schema", "name", "oid", "kind"}
extern const Action k_drop_invalid; // {"schema", "name"} of an index
extern const Action k_archive;      // see archive_json

Result<JsonBox> setting_field(const Server& server, const std::string& name, Deadline deadline);
Result<Applied> write_setting_field(const Server& server, const WriteContext& context,
                                    const std::string& name, const Field& field);
Result<> verify_setting(const Server& server, const std::string& name, const Json& after, Deadline deadline);

struct IndexName {
    std::string schema, name;
};
Result<JsonBox> index_field(const Server& server, const IndexName& index, Deadline deadline);
Result<Applied> write_index(const Server& server, const WriteContext& context, const IndexName& index,
                            const Field& field);
Result<> verify_index(const Server& server, const IndexName& index, const Json& after, Deadline deadline);

// An error of a step of several parts of which so many were done.
Error stopped_after(Error error, std::int64_t done, std::string_view what);

} // namespace conduit::ops::pg
