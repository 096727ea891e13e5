// Image geometry, bit for bit as edge/sensorium/images.py and inputs.py have it.
#pragma once

#include "config.h"
#include "types.h"

namespace sensorium {

// Bilinear, with a triangle filter as wide as the reduction.
Picture resize(const Picture& image, int height, int width);

// A picture of any size as the model takes it; one of that size is given back as it is.
PicturePtr prepare_image(const PicturePtr& image, const ImageInput& spec);

// Whether any ninth of two pictures of one size differs by more than noise.
bool changed(const Picture& before, const Picture& now);

}  // namespace sensorium
