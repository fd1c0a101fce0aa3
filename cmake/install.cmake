# What `make install` lays below PREFIX. All places are relative, so that a tree below DESTDIR runs where it lies:
# conduitctl finds its backends in ../lib/conduit, and the agent and the simulator beside itself.
set(CONDUIT_ZSH_DIR share/zsh/site-functions CACHE STRING "Where zsh completions go; share/zsh/vendor-completions in a Debian package")

install(TARGETS conduitctl conduit-agent conduit-sim RUNTIME DESTINATION bin)
install(TARGETS conduit_backends conduit_curl conduit_postgres_module LIBRARY DESTINATION lib/conduit)
install(FILES completions/conduitctl.bash DESTINATION share/bash-completion/completions RENAME conduitctl)
install(FILES completions/_conduitctl DESTINATION ${CONDUIT_ZSH_DIR})
install(FILES completions/conduitctl.fish DESTINATION share/fish/vendor_completions.d)
install(DIRECTORY packaging/man/ DESTINATION share/man/man1 FILES_MATCHING PATTERN "*.1")
install(FILES LICENSE README.md CHANGELOG.md DESTINATION share/doc/conduit-ops)
install(FILES packaging/agent/agent.yaml DESTINATION share/doc/conduit-ops/examples)
install(FILES packaging/systemd/conduit-agent.socket DESTINATION lib/systemd/system)
install(FILES packaging/systemd/conduit-agent.sysusers DESTINATION lib/sysusers.d RENAME conduit-agent.conf)

# The unit names the program's path, which is known only when --prefix is.
install(CODE "set(unit_folder \"${CMAKE_SOURCE_DIR}/packaging/systemd\")\nset(made \"${CMAKE_BINARY_DIR}/conduit-agent.service\")")
install(CODE [[
    configure_file("${unit_folder}/conduit-agent.service.in" "${made}" @ONLY)
    file(INSTALL "${made}" DESTINATION "${CMAKE_INSTALL_PREFIX}/lib/systemd/system")
]])

# What was installed, for `make uninstall`: it works without the build folder, or from another clone.
install(CODE [[
    set(list "${CMAKE_INSTALL_PREFIX}/lib/conduit/manifest")
    set(files ${CMAKE_INSTALL_MANIFEST_FILES} "${list}")
    list(TRANSFORM files REPLACE "^${CMAKE_INSTALL_PREFIX}/" "")
    list(SORT files)
    list(JOIN files "\n" lines)
    file(WRITE "$ENV{DESTDIR}${list}" "${lines}\n")
    list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${list}")
]])
