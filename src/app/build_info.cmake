# Run at every build, so that the hash is the one of the sources that were compiled: cmake -DSOURCE=... -DTEMPLATE=...
# -DOUTPUT=... -DCOMPILER=... -DBUILT_WITH=... -P build_info.cmake
execute_process(COMMAND git describe --always --dirty --abbrev=12 --exclude=*
                WORKING_DIRECTORY "${SOURCE}" OUTPUT_VARIABLE GIT_HASH ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE
                RESULT_VARIABLE failed)
if(NOT failed STREQUAL "0" OR GIT_HASH STREQUAL "")
  set(GIT_HASH unknown)
endif()
configure_file("${TEMPLATE}" "${OUTPUT}" @ONLY) # leaves an equal file alone
