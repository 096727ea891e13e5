# ExecuTorch's package as its wheel ships it: where CMAKE_PREFIX_PATH or executorch_DIR say, else of the Python at hand.
if(NOT executorch_DIR AND NOT CMAKE_PREFIX_PATH AND NOT CMAKE_CROSSCOMPILING)
  find_program(PYTHON NAMES python3 python REQUIRED)
  execute_process(
    COMMAND ${PYTHON} -c "import importlib.util as u; print(u.find_spec('executorch').submodule_search_locations[0])"
    OUTPUT_VARIABLE wheel OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE missing ERROR_QUIET)
  if(missing)
    message(FATAL_ERROR "executorch is not installed for ${PYTHON}; pip install 'executorch==1.5.1', or give "
      "-Dexecutorch_DIR=SITE-PACKAGES/executorch/lib/cmake/executorch")
  endif()
  set(executorch_DIR ${wheel}/lib/cmake/executorch CACHE PATH "ExecuTorch's CMake package")
endif()
find_package(executorch REQUIRED)
