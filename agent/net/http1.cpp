// SPDX-License-Identifier: Apache-2.0
#include "agent/net/http1.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>

namespace conduit::agent {

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using View = std::string_view;
using Text = boost::beast::string_view;

template <bool is_request> class Parser final : public http::basic_parser<is_request> {
  public:
    Parser(HttpHead& head, std::vector<View>*& pieces) : head_(head), pieces_(pieces) {}

  private:
    void on_request_impl(http::verb, Text method, Text target, int version, error_code&) override
    {
        head_.method = View(method);
        head_.target = View(target);
        head_.version = version;
    }
    void on_response_impl(int status, Text, int version, error_code&) override
    {
        head_.status = status;
        head_.version = version;
    }
    void on_field_impl(http::field, Text name, Text value, error_code& ec) override
    {
        if (head_.fields.size() >= 256)
            ec = http::error::header_limit;
        head_.fields.push_back({View(name), View(value)});
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(Text body, error_code&) override
    {
        if (pieces_ != nullptr && !body.empty())
            pieces_->push_back(View(body));
        return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, Text, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, Text body, error_code&) override
    {
        if (pieces_ != nullptr && !body.empty())
            pieces_->push_back(View(body));
        return body.size();
    }
    void on_finish_impl(error_code&) override {}

    HttpHead& head_;
    std::vector<View>*& pieces_;
};

HttpFault fault_of(error_code ec)
{
    if (ec == http::error::header_limit)
        return HttpFault::head_too_large;
    if (ec == http::error::bad_content_length || ec == http::error::bad_transfer_encoding)
        return HttpFault::conflicting_length;
    return HttpFault::malformed;
}

bool known_length_conflict(const HttpHead& head)
{
    // RFC 9112 6.1: a message with both is an attack on somebody's framing.
    const bool encoded = head.count("transfer-encoding") > 0;
    return (encoded && head.count("content-length") > 0) || head.count("transfer-encoding") > 1;
}

} // namespace

View HttpHead::find(View name) const
{
    for (const HttpField& field : fields)
        if (field.name.size() == name.size() && iequals(field.name, name))
            return field.value;
    return {};
}

std::size_t HttpHead::count(View name) const
{
    return static_cast<std::size_t>(std::count_if(fields.begin(), fields.end(), [&](const HttpField& field) {
        return field.name.size() == name.size() && iequals(field.name, name);
    }));
}

struct HttpParser::Impl {
    Kind kind;
    std::uint32_t head_limit;
    HttpHead head;
    std::vector<View>* pieces = nullptr;
    HttpFault fault = HttpFault::none;
    std::optional<Parser<true>> request;
    std::optional<Parser<false>> response;

    template <class P> std::optional<std::size_t> put(P& parser, View bytes)
    {
        error_code ec;
        const std::size_t used = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
        if (ec && ec != http::error::need_more) {
            fault = fault_of(ec);
            return std::nullopt;
        }
        return used;
    }

    template <class P> void set_up(std::optional<P>& parser, bool bodyless)
    {
        parser.emplace(head, pieces);
        parser->header_limit(head_limit);
        parser->body_limit(boost::none);
        if (bodyless)
            parser->skip(true);
    }

    template <class P> void note_framing(const P& parser)
    {
        head.chunked = parser.chunked();
        if (const auto length = parser.content_length())
            head.content_length = *length;
        head.keep_alive = parser.keep_alive();
        head.upgrade = parser.upgrade();
    }
};

HttpParser::HttpParser(Kind kind, std::size_t head_limit)
    : impl_(std::make_unique<Impl>(kind, static_cast<std::uint32_t>(head_limit)))
{
    impl_->head.fields.reserve(32);
    reset();
}
HttpParser::~HttpParser() = default;

void HttpParser::reset(bool bodyless)
{
    std::vector<HttpField> fields = std::move(impl_->head.fields);
    fields.clear();
    impl_->head = {};
    impl_->head.fields = std::move(fields);
    impl_->fault = HttpFault::none;
    if (impl_->kind == Kind::request)
        impl_->set_up(impl_->request, false);
    else
        impl_->set_up(impl_->response, bodyless);
}

std::optional<std::size_t> HttpParser::read_head(View bytes)
{
    if (bytes.empty())
        return 0;
    const bool is_request = impl_->kind == Kind::request;
    const auto used = is_request ? impl_->put(*impl_->request, bytes) : impl_->put(*impl_->response, bytes);
    if (!used)
        return std::nullopt;
    const bool done = is_request ? impl_->request->is_header_done() : impl_->response->is_header_done();
    if (!done)
        return 0; // whatever it took (leading empty lines) it takes again
    if (is_request)
        impl_->note_framing(*impl_->request);
    else
        impl_->note_framing(*impl_->response);
    if (known_length_conflict(impl_->head)) {
        impl_->fault = HttpFault::conflicting_length;
        return std::nullopt;
    }
    return used;
}

std::optional<std::size_t> HttpParser::read_chunked(View bytes, std::vector<View>& pieces)
{
    impl_->pieces = &pieces;
    std::size_t total = 0;
    while (total < bytes.size() && !body_done()) {
        const View rest = bytes.substr(total);
        const auto used = impl_->kind == Kind::request ? impl_->put(*impl_->request, rest)
                                                       : impl_->put(*impl_->response, rest);
        if (!used) {
            impl_->pieces = nullptr;
            return std::nullopt;
        }
        if (*used == 0)
            break;
        total += *used;
    }
    impl_->pieces = nullptr;
    return total;
}

bool HttpParser::body_done() const
{
    return impl_->kind == Kind::request ? impl_->request->is_done() : impl_->response->is_done();
}

const HttpHead& HttpParser::head() const
{
    return impl_->head;
}

HttpFault HttpParser::fault() const
{
    return impl_->fault;
}

} // namespace conduit::agent
