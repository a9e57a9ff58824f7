"""The terms of what networks are trained on and begin from, as their cards name them."""

from __future__ import annotations

TERMS = {
    "BSDS500": "research",
    "CCP": "Clothing Co-Parsing, research",
    "COCO": "Flickr photos, research",
    "COCO 2017 subset": "annotations CC BY 4.0, Flickr photos",
    "CelebAMask-HQ subset": "non-commercial research",
    "FaceSynthetics sample": "non-commercial research",
    "Houses-dataset": "research",
    "PFCN/EG1800": "Shen et al. 2016, Flickr photos, research",
    "Spatial-Pyramid-Matching-for-Scene-Classification": "SUN and scene photos, research",
    "VITON": "non-commercial research",
    "VOC": "PASCAL VOC 2012, research",
    "VOC 2012 + SBD": "PASCAL VOC 2012 and SBD, research",
    "efficientnet-lite0.pth": "ImageNet weights, Apache-2.0",
    "efficientnet-lite2.pth": "ImageNet weights, Apache-2.0",
    "imagenet-sample-images": "research",
    "mAP": "research",
    "mediapipe-landscape": "MediaPipe Selfie Segmentation's mattes, Apache-2.0",
    "mediapipe-selfie": "MediaPipe Selfie Segmentation's mattes, Apache-2.0",
    "mobilenet_v2_1.0.npz": "ImageNet weights, Apache-2.0",
}


def named(sources: set[str]) -> list[str]:
    """Sources with their terms, in order; a manifest may name several in one field, with "; " between them."""
    names = {name for source in sources for name in source.split("; ") if name}
    return sorted(f"{name} ({TERMS.get(name, 'terms not recorded')})" for name in names)
