# Everything comes from Debian 12's packages; `make deps` installs them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(SQLiteCpp REQUIRED)
find_package(Catch2 2 REQUIRED)
find_package(Boost 1.81 REQUIRED)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(libpq REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(opus REQUIRED IMPORTED_TARGET opus)
# Static: a program that reads no XML does not load it.
find_library(PUGIXML libpugixml.a REQUIRED)
find_path(LAME_INCLUDE lame/lame.h REQUIRED)
find_path(VO_AACENC_INCLUDE vo-aacenc/voAAC.h REQUIRED)

# Boost.Asio and Beast are header only. These definitions hold for every file that includes them.
add_library(conduit_asio INTERFACE)
target_link_libraries(conduit_asio INTERFACE Boost::headers Threads::Threads OpenSSL::SSL OpenSSL::Crypto)
target_compile_definitions(conduit_asio INTERFACE
    BOOST_ASIO_NO_DEPRECATED BOOST_BEAST_USE_STD_STRING_VIEW BOOST_ASIO_DISABLE_VISIBILITY)
