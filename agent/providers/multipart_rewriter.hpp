// SPDX-License-Identifier: Apache-2.0
// Passes a form on with the value of one field replaced (or the field added when it was absent).
#pragma once

#include "agent/providers/adapter.hpp"
#include "agent/providers/multipart_scanner.hpp"

namespace conduit::agent {

class MultipartRewriter final : public BodyEncoder, private PartSink {
  public:
    MultipartRewriter(std::string_view boundary, std::string field, std::string value);
    Input input() const override { return Input::raw; }
    void feed(std::string_view piece, std::string& out) override;
    void finish(const TranscriptionParams& params, std::string& out) override;

  private:
    Result<> on_part(const PartHead& head) override;
    Result<> on_data(std::string_view bytes) override;
    Result<> on_part_end() override;
    Result<> on_end() override;

    MultipartScanner scanner_;
    std::string field_, value_;
    std::string* out_ = nullptr;
    bool in_field_ = false, replaced_ = false;
};

} // namespace conduit::agent
