// SPDX-License-Identifier: Apache-2.0
// Internal to this folder: what is written in one transaction.
#pragma once

#include "agent/records/record.hpp"

#include <optional>

namespace conduit::agent {

// Batches of one writer have rising numbers and are written in order. The store keeps the last number of each
// writer, in the same transaction as the records: a batch that comes again from the spool is recognised.
struct RecordBatch {
    std::string writer;
    std::int64_t number = 0;
    std::vector<RequestRecord> records;
};

std::string record_line(const RequestRecord& record); // JSON, no line feed
std::optional<RequestRecord> parse_record_line(std::string_view line);

} // namespace conduit::agent
