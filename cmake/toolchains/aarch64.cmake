# arm-cpu: Debian's cross compiler (g++-aarch64-linux-gnu), with what cmake/sysroot-aarch64 has put into a folder; tests run
# under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;/usr/aarch64-linux-gnu)

set(SENSORIUM_SYSROOT "" CACHE PATH "The folder that cmake/sysroot-aarch64 has filled")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES SENSORIUM_SYSROOT)
set(CMAKE_FIND_ROOT_PATH ${SENSORIUM_SYSROOT})
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(executorch_DIR ${SENSORIUM_SYSROOT}/executorch/lib/cmake/executorch)
